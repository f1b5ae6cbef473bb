"""The servers of ``make up`` under their supervisor."""

import socket
from pathlib import Path

import psycopg
import pytest

from kaiser.local.errors import NotReadyError, PortTakenError
from kaiser.local.layout import Layout
from kaiser.local.ports import free_ports
from kaiser.local.programs import SERVERS
from kaiser.local.suite import Suite
from kaiser.local.tree import Tree


@pytest.fixture
def suite(infra_tree: Tree, tmp_path: Path):
    suite = Suite(Layout(tmp_path, free_ports()), names=SERVERS)
    try:
        yield suite
    finally:
        suite.down()


def _admin(suite: Suite) -> psycopg.Connection:
    return psycopg.connect(
        host="127.0.0.1",
        port=suite.layout.ports.postgres,
        dbname="kaiser",
        user="kaiser_admin",
        password=suite.layout.secrets.value("postgres-kaiser_admin"),
    )


def test_what_is_stored_is_kept_between_starts(suite: Suite) -> None:
    suite.up()
    with _admin(suite) as connection:
        connection.execute("CREATE TABLE public.kept (word text)")
    suite.down()

    suite.up()

    with _admin(suite) as connection:
        assert connection.execute("SELECT count(*) FROM public.kept").fetchone() == (0,)


def test_up_leaves_alone_what_runs_and_starts_what_does_not(suite: Suite) -> None:
    suite.up()
    before = suite.supervisor.pid("nats")
    suite.supervisor.stop("mosquitto")

    suite.up()

    assert suite.supervisor.pid("nats") == before
    assert suite.supervisor.pid("mosquitto") != 0


def test_two_copies_run_side_by_side(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Suite(Layout(tmp_path_factory.mktemp("other"), free_ports()), names=SERVERS)
    suite.up()
    try:
        other.up()
        assert {suite.supervisor.pid(name) for name in SERVERS}.isdisjoint(
            other.supervisor.pid(name) for name in SERVERS
        )
    finally:
        other.down()

    assert suite.supervisor.running


def test_a_taken_port_stops_the_start_before_anything_runs(suite: Suite) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", suite.layout.ports.mqtt))
        holder.listen()
        with pytest.raises(PortTakenError, match="KAISER_MQTT_PORT"):
            suite.up()

    assert not suite.supervisor.running


def test_a_server_that_cannot_start_is_named_with_the_end_of_its_log(suite: Suite) -> None:
    suite.up()
    suite.supervisor.stop("mosquitto")
    (suite.layout.mosquitto / "mosquitto.conf").write_text("no_such_option true\n")

    with pytest.raises(NotReadyError, match=r"mosquitto cannot start(.|\n)*no_such_option"):
        suite.up()


def test_nobody_gets_in_without_the_generated_password(suite: Suite) -> None:
    suite.up()

    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host="127.0.0.1", port=suite.layout.ports.postgres, user="kaiser_admin", dbname="kaiser")
    with socket.create_connection(("127.0.0.1", suite.layout.ports.nats)) as stranger:
        stranger.sendall(b"CONNECT {}\r\nPING\r\n")
        answers = stranger.makefile("rb").read()
    assert b"Authorization Violation" in answers
