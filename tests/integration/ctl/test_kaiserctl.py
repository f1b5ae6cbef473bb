"""kaiserctl against a whole suite, started once: what it prints, what it changes, and its exit codes."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiomqtt
import psycopg
import pytest
import structlog

from kaiser.contracts.streams import TELEMETRY
from kaiser.ctl.doctor import database as database_checks
from kaiser.ctl.doctor.examining import examine
from kaiser.ctl.doctor.limits import Limits
from kaiser.ctl.finding import find_site
from kaiser.ctl.findings import Finding
from kaiser.ctl.main import main, parser
from kaiser.ctl.site import Site
from kaiser.eventlog import Event, connect, new_id, now_us
from kaiser.eventlog.archive import Folder, Record
from kaiser.local.layout import Layout
from kaiser.local.ports import free_ports
from kaiser.local.postgres import OWNER, SUPERUSER, conninfo
from kaiser.local.suite import Suite
from kaiser.local.tree import Tree

GARBAGE = b'{"esp_id":"ESP_0A1B2C","gpio":33,"sensor_type":"ph","raw":2210,"raw_mode":true,"ts":1777614000'


class Done(NamedTuple):
    """How a verb ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Ctl:
    """Runs verbs against the suite, as the command line does."""

    def __init__(self, layout: Layout, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.layout = layout
        self._captured = capfd
        for name, port in zip(_variables(), _ports(layout), strict=True):
            monkeypatch.setenv(name, str(port))
        monkeypatch.setenv("KAISER_HOME", str(layout.root))

    def __call__(self, *words: str) -> Done:
        before = structlog.get_config()
        self._captured.readouterr()
        try:
            with pytest.raises(SystemExit) as ended:
                main(words)
        finally:
            structlog.configure(**before)
        out, err = self._captured.readouterr()
        return Done(int(ended.value.code or 0), out, err)

    def done(self, *words: str) -> Any:
        """What a verb that succeeds answers to programs."""
        found = self(*words, "--json")
        assert found.code == 0, found
        return found.json

    @property
    def site(self) -> Site:
        return find_site(parser().parse_args(["status"]))


def _variables() -> list[str]:
    from kaiser.local.ports import VARIABLES

    return list(VARIABLES.values())


def _ports(layout: Layout) -> list[int]:
    from kaiser.local.ports import VARIABLES

    return [getattr(layout.ports, name) for name in VARIABLES]


@pytest.fixture(scope="module")
def layout(infra_tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    suite = Suite(Layout(tmp_path_factory.mktemp("ctl"), free_ports()), say=lambda _: None)
    try:
        suite.up()
        yield suite.layout
    finally:
        suite.down()


@pytest.fixture
def ctl(layout: Layout, capfd, monkeypatch, tmp_path: Path) -> Ctl:
    monkeypatch.setenv("KAISER_CTL_SESSIONS", str(tmp_path / "sessions"))
    return Ctl(layout, capfd, monkeypatch)


def _publish(layout: Layout, topic: str, payload: bytes) -> None:
    async def publish() -> None:
        password = layout.secrets.value("mqtt-device")
        async with aiomqtt.Client(
            "127.0.0.1", layout.ports.mqtt, username="device", password=password, identifier="ESP_0A1B2C"
        ) as device:
            await device.publish(topic, payload, qos=1)

    asyncio.run(publish())


async def _log(layout: Layout):
    password = layout.secrets.value("nats-operator")
    return await connect(f"nats://127.0.0.1:{layout.ports.nats}", name="test", user="operator", password=password)


def _open_letter(ctl: Ctl) -> str:
    """A dead letter of the test's own."""
    before = {each["letter_id"] for each in ctl.done("dead-letters", "list")}
    _publish(ctl.layout, "kaiser/god/esp/ESP_0A1B2C/sensor/33/data", GARBAGE)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if new := [each for each in ctl.done("dead-letters", "list") if each["letter_id"] not in before]:
            return new[0]["letter_id"]
        time.sleep(0.1)
    raise AssertionError("there is no dead letter")


def _password_file(folder: Path, text: str) -> str:
    file = folder / f"password-{len(text)}"
    file.write_text(text)
    return str(file)


def test_status_says_that_all_is_ready_and_where_consumers_are(ctl) -> None:
    found = ctl.done("status")
    assert found["ready"]
    recorder = next(lag for each in found["streams"] for lag in each["consumers"] if lag["name"] == "ingest-recorder")
    assert recorder["in_hand"] == 0
    assert "durable consumer" in ctl("status").out


def test_a_service_that_does_not_answer_is_exit_code_1_elsewhere(ctl, monkeypatch) -> None:
    nats = f"nats://127.0.0.1:{ctl.layout.ports.nats}"
    monkeypatch.setenv("KAISER_CTL_NATS_PASSWORD_FILE", str(ctl.layout.secrets.path("nats-operator")))
    found = ctl("status", "--nats", nats, "--health", "bridge=http://127.0.0.1:1")
    assert found.code == 1
    assert "its health port does not answer" in found.out


def test_a_wrong_password_of_nats_is_exit_code_3(ctl, tmp_path) -> None:
    nats = f"nats://127.0.0.1:{ctl.layout.ports.nats}"
    wrong = _password_file(tmp_path, "not the password")
    assert ctl("status", "--nats", nats, "--nats-password-file", wrong).code == 3


def test_a_user_is_made_logs_in_is_put_out_of_use_and_back(ctl, tmp_path) -> None:
    first, second = (_password_file(tmp_path, text) for text in ("a sentence is easy", "another sentence is easier"))
    made = ctl.done("users", "add", "ada", "--role", "operator", "--zone", "tent", "--new-password-file", first)
    assert (made["role"], made["zones"]) == ("operator", ["tent"])
    url = f"http://127.0.0.1:{ctl.layout.ports.gateway}"
    assert ctl.done("login", "--url", url, "--user", "ada", "--password-file", first)["username"] == "ada"
    assert ctl("rules", "list", "--url", url).code == 0
    assert ctl("users", "list", "--url", url).code == 1  # an operator may not
    assert ctl.done("logout", "--url", url) == {"was_logged_in": True}
    assert ctl("rules", "list", "--url", url).code == 2  # nobody is logged in
    assert ctl.done("users", "roles", "ada", "--role", "engineer", "--all-zones")["zones"] == []
    assert ctl.done("users", "disable", "ada")["disabled"]
    assert ctl("login", "--url", url, "--user", "ada", "--password-file", first).code == 3
    assert not ctl.done("users", "unlock", "ada")["disabled"]
    assert ctl("users", "reset-password", "ada", "--new-password-file", second).code == 0
    assert ctl("login", "--url", url, "--user", "ada", "--password-file", second).code == 0
    assert ctl("users", "disable", "nobody").err == "kaiserctl: there is no user nobody.\n"


def test_a_machines_key_is_good_for_its_scope_until_it_is_revoked(ctl, tmp_path) -> None:
    issued = ctl.done("keys", "issue", "nightly export", "--scope", "read")
    url, file = f"http://127.0.0.1:{ctl.layout.ports.gateway}", _password_file(tmp_path, issued["key"])
    assert ctl("rules", "list", "--url", url, "--token-file", file).code == 0
    assert [each["key_id"] for each in ctl.done("keys", "list")["machines"]] == [issued["key_id"]]
    assert ctl("keys", "revoke", issued["key_id"]).code == 0
    assert ctl("rules", "list", "--url", url, "--token-file", file).code == 3


def test_a_dead_letter_is_mended_out_of_a_file(ctl, tmp_path) -> None:
    letter = _open_letter(ctl)
    assert ctl.done("dead-letters", "show", letter)["payload_text"] == GARBAGE.decode()
    again = ctl("dead-letters", "replay", letter, "--reason", "as it is")
    assert (again.code, again.err) == (1, "kaiserctl: INVALID_PAYLOAD_FORMAT: Input data was truncated\n")
    mended = tmp_path / "mended.json"
    mended.write_bytes(GARBAGE + b"}")
    words = ("dead-letters", "edit-and-replay", letter, "--reason", "a brace", "--payload-file", str(mended))
    found = ctl.done(*words)
    assert (found["state"], found["settled_by"]) == ("replayed", "admin")


def test_a_dead_letter_is_mended_in_an_editor_and_another_is_discarded(ctl, tmp_path, monkeypatch) -> None:
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nprintf '}\\n' >> \"$1\"\n")
    editor.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "true")
    letter = _open_letter(ctl)
    words = ("dead-letters", "edit-and-replay", letter, "--reason", "a brace")
    unchanged = ctl(*words)
    assert (unchanged.code, "nothing was changed" in unchanged.err) == (1, True)
    monkeypatch.setenv("EDITOR", str(editor))
    assert ctl.done(*words)["payload_text"] == GARBAGE.decode()
    other = _open_letter(ctl)
    assert ctl.done("dead-letters", "discard", other, "--reason", "a test")["state"] == "discarded"


def test_the_log_is_browsed_explained_and_looked_back_at(ctl) -> None:
    events = ctl.done("events", "--stream", "IDENTITY", "--type", "io.kaiser.identity.user.created", "--most", "1")
    assert events[0]["data"]["username"] == "admin"
    assert ctl.done("why", f"IDENTITY/{events[0]['seq']}")["complete"]
    assert ctl.done("state", "user", "admin")["state"]["role"] == "admin"
    before = ctl("state", "user", "admin", "--at", "2026-01-01T00:00:00Z")
    assert (before.code, before.err.startswith("kaiserctl: EVENT_NOT_FOUND")) == (1, True)


def test_a_stream_is_written_as_json_lines_without_what_opens_something(ctl) -> None:
    found = ctl("replay", "IDENTITY", "--type", "io.kaiser.identity.user", "--to-seq", "1")
    lines = [json.loads(line) for line in found.out.splitlines()]
    assert (found.code, [line["seq"] for line in lines]) == (0, [1])
    assert "password_hash" not in lines[0]["data"]
    assert lines[0]["data"]["username"] == "admin"
    assert ctl("replay", "DOWNLINK").code == 2


def test_a_load_is_followed_to_row_and_socket_and_the_ledger_balances(ctl) -> None:
    found = ctl.done("load-test", "--duration", "2", "--rate", "50", "--devices", "5", "--patience", "90", "--yes")
    assert found["sent"] == found["stored"] == found["seen"] > 0
    assert ctl.done("ledger")["balanced"]


def test_a_load_on_another_machine_wants_a_yes(ctl) -> None:
    url = f"http://127.0.0.1:{ctl.layout.ports.gateway}"
    admin = str(ctl.layout.secrets.path("admin"))
    assert ctl("login", "--url", url, "--user", "admin", "--password-file", admin).code == 0
    refused = ctl("load-test", "--url", url, "--mqtt", "kaiser.example:1883")
    assert (refused.code, "kaiser.example is another machine" in refused.err) == (2, True)


def test_the_audit_is_verified(ctl) -> None:
    assert ctl.done("audit", "verify")["whole"]


def _examined(ctl: Ctl, limits: Limits | None = None, **more: Any) -> dict[str, Finding]:
    return {each.check: each for each in examine(ctl.site, limits or Limits(min_free=0), **more)}


def test_the_doctor_finds_nothing_wrong_with_a_suite_that_is_well(ctl) -> None:
    assert [each for each in _examined(ctl, Limits(min_free=0, letters=10_000)).values() if each.state == "wrong"] == []


def test_the_doctor_finds_what_goes_wrong(ctl) -> None:
    """A clock that is off, letters, a secret for all to read, a stuck consumer, a right that is nobody's business."""
    _open_letter(ctl)
    secret = ctl.layout.secrets.path("jwt")
    dsn = conninfo(
        port=ctl.layout.ports.postgres, user=SUPERUSER, password=ctl.layout.secrets.value(f"postgres-{SUPERUSER}")
    )

    async def stick() -> None:
        async with await _log(ctl.layout) as log:
            await log.js.add_consumer("IDENTITY", durable_name="nobody-asks")

    async def unstick() -> None:
        async with await _log(ctl.layout) as log:
            await log.js.delete_consumer("IDENTITY", "nobody-asks")

    asyncio.run(stick())
    secret.chmod(0o644)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("GRANT USAGE ON SCHEMA safety TO kaiser_ingest")
        connection.execute("UPDATE _timescaledb_config.bgw_job SET scheduled = true WHERE id = 3")
        try:
            time.sleep(0.2)
            limits = Limits(min_free=0, letters=0, stuck_s=0.1)
            found = _examined(ctl, limits, our_clock=lambda: time.time() - 30)
        finally:
            connection.execute("UPDATE _timescaledb_config.bgw_job SET scheduled = false WHERE id = 3")
            connection.execute("REVOKE USAGE ON SCHEMA safety FROM kaiser_ingest")
            secret.chmod(0o600)
            asyncio.run(unstick())
    wrong = {check: each.words for check, each in found.items() if each.state == "wrong"}
    assert "others may read jwt" in wrong["secrets"]
    assert "nobody-asks has" in wrong["consumers"]
    assert "kaiser_ingest may use schema safety" in wrong["database permissions"]
    assert "ahead of this machine's" in wrong["clocks"]
    assert "by bridge" in wrong["dead letters"]
    assert all(each.advice for each in found.values() if each.state == "wrong")


def test_connections_that_run_out_are_wrong(ctl) -> None:
    password = ctl.layout.secrets.value(f"postgres-{OWNER}")
    dsn = conninfo(port=ctl.layout.ports.postgres, user=OWNER, password=password)
    held = [psycopg.connect(dsn) for _ in range(78)]
    try:
        assert database_checks.connections(held[0]).state == "wrong"
    finally:
        for connection in held:
            connection.close()


def test_a_database_that_does_not_sync_is_wrong(postgres) -> None:
    """The one that tests share gives durability up for speed."""
    with psycopg.connect(postgres.dsn()) as connection:
        assert database_checks.durability(connection).state == "wrong"


def test_an_archive_that_stands_still_is_wrong(ctl, tmp_path) -> None:
    import msgspec

    ctl.done("load-test", "--duration", "1", "--rate", "20", "--devices", "2", "--patience", "90", "--yes")
    Folder(tmp_path, TELEMETRY.name, 1).append([Record(1, 1, "telemetry.reading.k.1", b"", b"body")])
    site = msgspec.structs.replace(ctl.site, archive=tmp_path)
    found = {each.check: each for each in examine(site, Limits(min_free=0, archive_behind_s=0))}
    assert found["archive"].state == "wrong"


def test_the_upgrade_check_stops_at_what_this_release_cannot_read(ctl, tmp_path) -> None:
    """Nothing stops at first; then an event of a newer release, a consumer that was told otherwise, and a typo."""
    events = {}

    async def spoil() -> None:
        async with await _log(ctl.layout) as log:
            newer = Event(
                subject="logic.rule.r.renamed",
                type="io.kaiser.logic.rule.renamed.v9",
                source="test",
                id=new_id(),
                time=now_us(),
                data=b"{}",
            )
            events["seq"] = (await log.publish(newer)).seq
            info = await log.js.consumer_info("LOGIC", "logic-runs")
            info.config.max_ack_pending = 77
            await log.js.add_consumer("LOGIC", info.config)

    async def mend() -> None:
        async with await _log(ctl.layout) as log:
            await log.js.delete_msg("LOGIC", events["seq"])

    well = ctl("upgrade-check")
    assert (well.code, "this release can be started on this" in well.out) == (0, True), well
    typo = tmp_path / "ingest.env"
    typo.write_text("KAISER_PG_DSM=dbname=kaiser\nKAISER_DEVICE_KEY_SECRET_FILE=/not/here\n")
    asyncio.run(spoil())
    try:
        found = ctl("upgrade-check", "--json", "--settings", f"ingest={typo}")
    finally:
        asyncio.run(mend())
    stops = [each["words"] for each in found.json if each["state"] == "stop"]
    notes = [each["words"] for each in found.json if each["state"] == "note"]
    assert found.code == 1
    assert any("io.kaiser.logic.rule.renamed.v9" in words for words in stops)
    assert any("ingest: KAISER_PG_DSN" in words for words in stops)
    assert any("logic-runs changes in max_ack_pending" in words for words in notes)
    assert any("KAISER_PG_DSM" in words for words in notes)
