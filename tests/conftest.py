"""Real servers for every test that wants one; nothing is started for tests that do not.

``mosquitto`` and ``nats_server`` are a test's own. ``postgres`` is a database of its own on a server that the session
shares; a test that stops, kills or freezes PostgreSQL takes ``own_postgres``.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from kaiser.local import postgres as cluster
from kaiser.local.ephemeral import Mosquitto, Nats, Postgres, copy_cluster
from kaiser.local.tree import Tree, ensure_tree

_BLANK = "blank"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def infra_tree() -> Tree:
    """The programs of PostgreSQL and Mosquitto, set up at the first use on this machine."""
    return ensure_tree()


@pytest.fixture(scope="session")
def servers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("servers")


@pytest.fixture
def mosquitto(infra_tree: Tree, servers_folder: Path) -> Iterator[Mosquitto]:
    """A broker of the test's own; .host .port .username .password, .restart() .kill() .start() .pause() .resume()."""
    server = Mosquitto(infra_tree, servers_folder / f"mosquitto-{next(_numbers)}")
    try:
        yield server.start()
    finally:
        server.kill()


@pytest.fixture
def nats_server(servers_folder: Path) -> Iterator[Nats]:
    """A NATS server with JetStream of the test's own; .url (may do everything), .address, and the verbs."""
    server = Nats(servers_folder / f"nats-{next(_numbers)}")
    try:
        yield server.start()
    finally:
        server.kill()


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
def shared_postgres(infra_tree: Tree, postgres_template: Path, servers_folder: Path) -> Iterator[Postgres]:
    """The session's server, with a blank database to copy for each test."""
    server = Postgres(infra_tree, copy_cluster(postgres_template, servers_folder / "postgres-shared"), fsync=False)
    try:
        with psycopg.connect(server.start().dsn(cluster.SUPERUSER, "postgres"), autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {cluster.DATABASE} RENAME TO {_BLANK}")
        yield server
    finally:
        server.kill()


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
def own_postgres(infra_tree: Tree, postgres_template: Path, servers_folder: Path) -> Iterator[Postgres]:
    """A PostgreSQL of the test's own, with the verbs that do it harm and full durability."""
    server = Postgres(infra_tree, copy_cluster(postgres_template, servers_folder / f"postgres-{next(_numbers)}"))
    try:
        yield server.start()
    finally:
        server.kill()
