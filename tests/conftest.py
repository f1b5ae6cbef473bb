"""Real servers for every test that wants one; nothing is started for tests that do not.

``mosquitto`` and ``nats_server`` are a test's own. ``postgres`` is a database of its own on a server that the session
shares; a test that stops, kills or freezes PostgreSQL takes ``own_postgres``.

They are processes of this machine, or, with ``KAISER_TEST_SERVERS=containers``, containers of the images that a site
runs.
"""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from kaiser.local import postgres as cluster
from kaiser.local.ephemeral import Mosquitto, Nats, Postgres, copy_cluster
from kaiser.local.ephemeral_s3 import SeaweedFs
from kaiser.local.tree import Tree, ensure_tree

# How long an example takes says how busy the machine is, and nothing of what is tested
settings.register_profile("kaiser", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kaiser")

_BLANK = "blank"
_IN_CONTAINERS = os.environ.get("KAISER_TEST_SERVERS") == "containers"
if _IN_CONTAINERS:
    from kaiser.local.contained import ContainedMosquitto, ContainedNats, ContainedPostgres
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def infra_tree() -> Tree:
    """The programs of PostgreSQL and Mosquitto, set up at the first use on this machine."""
    return ensure_tree()


@pytest.fixture(scope="session")
def servers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("servers")


@pytest.fixture
def mosquitto(request: pytest.FixtureRequest, servers_folder: Path) -> Iterator[Mosquitto]:
    """A broker of the test's own; .host .port .username .password, .restart() .kill() .start() .pause() .resume()."""
    folder = servers_folder / f"mosquitto-{next(_numbers)}"
    tree = None if _IN_CONTAINERS else request.getfixturevalue("infra_tree")
    server = ContainedMosquitto(folder) if tree is None else Mosquitto(tree, folder)
    try:
        yield server.start()
    finally:
        server.dispose()


@pytest.fixture
def nats_server(servers_folder: Path) -> Iterator[Nats]:
    """A NATS server with JetStream of the test's own; .url (may do everything), .address, and the verbs."""
    server = (ContainedNats if _IN_CONTAINERS else Nats)(servers_folder / f"nats-{next(_numbers)}")
    try:
        yield server.start()
    finally:
        server.dispose()


@pytest.fixture(scope="session")
def postgres_template(infra_tree: Tree, servers_folder: Path) -> Path:
    """A stopped cluster with roles, database, extension and schemas; made once, copied by whoever needs one."""
    folder = servers_folder / "postgres-template"
    server = Postgres(infra_tree, folder, fsync=False).start()
    try:
        server.prepare()
    finally:
        server.stop()
    return folder


@pytest.fixture(scope="session")
def shared_postgres(request: pytest.FixtureRequest, servers_folder: Path) -> Iterator[Postgres]:
    """The session's server, with a blank database to copy for each test."""
    server = _postgres(request, servers_folder / "postgres-shared", fsync=False)
    try:
        with psycopg.connect(server.start().dsn(cluster.SUPERUSER, "postgres"), autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {cluster.DATABASE} RENAME TO {_BLANK}")
        yield server
    finally:
        server.dispose()


def _postgres(request: pytest.FixtureRequest, folder: Path, *, fsync: bool) -> Postgres:
    """A server with roles, database, extension and schemas."""
    if _IN_CONTAINERS:
        return ContainedPostgres(folder, fsync=fsync)
    tree, template = (request.getfixturevalue(name) for name in ("infra_tree", "postgres_template"))
    return Postgres(tree, copy_cluster(template, folder), fsync=fsync)


@pytest.fixture
def postgres(shared_postgres: Postgres) -> Iterator[Postgres]:
    """A fresh database ``kaiser`` for the test; .dsn(role=...) with the roles of ``make up``."""
    with psycopg.connect(shared_postgres.dsn(cluster.SUPERUSER, "postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {cluster.DATABASE} TEMPLATE {_BLANK} OWNER {cluster.OWNER}")
        try:
            yield shared_postgres
        finally:
            connection.execute(f"DROP DATABASE {cluster.DATABASE} WITH (FORCE)")


@pytest.fixture
def own_postgres(request: pytest.FixtureRequest, servers_folder: Path) -> Iterator[Postgres]:
    """A PostgreSQL of the test's own, with the verbs that do it harm and full durability."""
    server = _postgres(request, servers_folder / f"postgres-{next(_numbers)}", fsync=True)
    try:
        yield server.start()
    finally:
        server.dispose()


@pytest.fixture(scope="session")
def s3_server(servers_folder: Path) -> Iterator[SeaweedFs]:
    """An S3-compatible service that the session shares; .store(prefix), and .pause() for who resumes it."""
    server = SeaweedFs(servers_folder / "seaweedfs")
    try:
        yield server.start()
    finally:
        server.dispose()
