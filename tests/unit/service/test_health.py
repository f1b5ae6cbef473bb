"""Health says what is wrong, in words."""

import json

from kaiser.service.health import Finding, Health, State
from kaiser.service.metrics import exposition, new_registry
from kaiser.service.probes import Probes


def test_ready_needs_every_check() -> None:
    health = Health()
    health.add("nats", lambda: Finding(State.OK))
    assert health.report().ready
    health.add("database", lambda: Finding(State.FAILING, "away for 3 s"))
    assert not health.report().ready


def test_a_connection_that_was_never_there_is_waited_for_and_one_that_was_is_missed() -> None:
    health, up, silent_s = Health(), False, 0.0
    health.connected("nats", lambda: up, whom="NATS at port 4222", meanwhile="all wait", silent_s=lambda: silent_s)
    waiting = health.report().checks["nats"]
    assert (waiting.state, waiting.words) == (State.STARTING, "waiting for NATS at port 4222; all wait")
    up = True
    assert health.report().checks["nats"] == Finding(State.OK)
    silent_s = 9.4
    hanging = health.report().checks["nats"]
    assert hanging.words == "NATS at port 4222 hangs: it has not answered for 9 s; all wait"
    up = False
    assert health.report().checks["nats"].state is State.FAILING


def test_what_is_wrong_has_the_moment_at_which_it_began() -> None:
    health, well = Health(), False
    health.add("part", lambda: Finding(State.OK) if well else Finding(State.FAILING, "broken"))
    since = health.report().checks["part"].since
    assert since.endswith("Z")
    assert health.report().checks["part"].since == since
    well = True
    assert health.report().checks["part"].since == ""


def test_metrics_say_which_check_is_not_well() -> None:
    health, registry = Health(), new_registry()
    health.add("nats", lambda: Finding(State.OK))
    health.add("database", lambda: Finding(State.FAILING, "away for 3 s"))
    registry.register(health)
    lines = exposition(registry)[1].decode().splitlines()
    assert {'kaiser_check_ok{check="nats"} 1.0', 'kaiser_check_ok{check="database"} 0.0', "kaiser_ready 0.0"} <= set(
        lines
    )


def test_probes_answer_their_paths_and_say_so_on_others() -> None:
    health = Health()
    health.add("database", lambda: Finding(State.STARTING, "waiting for PostgreSQL"))
    probes = Probes(health, new_registry())
    assert probes.answer("/health/live")[0] == 200
    status, _, body = probes.answer("/health/ready")
    assert status == 503
    assert json.loads(body)["checks"]["database"]["words"] == "waiting for PostgreSQL"
    assert b"process_resident_memory_bytes" in probes.answer("/metrics")[2]
    assert probes.answer("/")[0] == 404
