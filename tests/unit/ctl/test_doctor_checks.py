"""What the doctor makes of what it sees: each check well, and gone wrong."""

import datetime as dt
import shutil
import socket
import ssl
import threading
from pathlib import Path

import pytest

from kaiser.ctl.doctor import certificates, clocks, files
from kaiser.ctl.doctor.examining import examine, verdict
from kaiser.ctl.doctor.limits import Limits
from kaiser.ctl.doctor.log import version
from kaiser.ctl.doctor.services import pools, readiness
from kaiser.ctl.findings import Finding
from kaiser.ctl.services import Finding as Part
from kaiser.ctl.services import Report
from kaiser.ctl.site import Nats, Postgres, Site
from kaiser.local import mosquitto, nats
from kaiser.local.secrets import Secrets
from kaiser.local.site.certificates import Authority

LIMITS = Limits()
NOW = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)


@pytest.fixture
def secrets(tmp_path) -> Path:
    made = Secrets(tmp_path / "secrets")
    for name in ("admin", "jwt", "device-key"):
        made.path(name)
    return tmp_path / "secrets"


def test_secrets_as_kaiser_makes_them_are_well(secrets) -> None:
    assert files.secrets(secrets).state == "ok"


def test_a_secret_that_others_may_read_is_wrong(secrets) -> None:
    (secrets / "jwt").chmod(0o640)
    found = files.secrets(secrets)
    assert (found.state, found.words) == ("wrong", "others may read jwt")
    assert "chmod" in found.advice


def test_a_folder_of_secrets_that_others_may_search_is_wrong(secrets) -> None:
    secrets.chmod(0o755)
    assert "others may look into" in files.secrets(secrets).words


def test_a_short_secret_is_wrong_and_a_key_needs_more(secrets) -> None:
    (secrets / "admin").write_text("kaiser")
    (secrets / "jwt").write_text("x" * 20)
    assert files.secrets(secrets).words == "admin has only 6 characters; jwt has only 20 characters"


def test_a_full_disk_is_wrong(tmp_path) -> None:
    assert files.disks({tmp_path}, Limits(min_free=0)).state == "ok"
    found = files.disks({tmp_path / "not there yet"}, Limits(min_free=100.1))
    assert found.state == "wrong"
    assert "free at" in found.words


@pytest.fixture
def broker_conf(infra_tree, tmp_path) -> Path:
    folder = tmp_path / "mosquitto"
    passwords = dict.fromkeys(mosquitto.USERS, "a password")
    mosquitto.prepare(folder, plugin=infra_tree.dynamic_security, port=1883, passwords=passwords)
    return folder / "mosquitto.conf"


def test_the_broker_as_kaiser_configures_it_is_well(broker_conf) -> None:
    assert files.broker_settings(broker_conf).state == "ok"


@pytest.mark.parametrize(
    ("was", "becomes", "words"),
    [
        ("upgrade_outgoing_qos true\n", "", "upgrade_outgoing_qos is not set"),
        ("allow_anonymous false", "allow_anonymous true", "allow_anonymous is true"),
        ("persistence true", "persistence false", "persistence is false"),
        ("max_queued_messages 1000000\n", "", "max_queued_messages is 1000"),
    ],
)
def test_a_broker_that_was_told_otherwise_is_wrong(broker_conf, was: str, becomes: str, words: str) -> None:
    text = broker_conf.read_text()
    assert was in text
    broker_conf.write_text(text.replace(was, becomes))
    found = files.broker_settings(broker_conf)
    assert found.state == "wrong"
    assert words in found.words


def test_a_broker_without_settings_is_wrong(tmp_path) -> None:
    assert files.broker_settings(tmp_path / "none").state == "wrong"


def test_how_often_the_log_syncs_is_told(tmp_path) -> None:
    nats.prepare(tmp_path, port=4222, passwords={}, sync=None)
    assert files.log_sync(tmp_path / "nats.conf").state == "note"
    nats.prepare(tmp_path, port=4222, passwords={}, sync="always")
    assert files.log_sync(tmp_path / "nats.conf").words == "JetStream syncs: always"
    shutil.rmtree(tmp_path)
    assert "not known" in files.log_sync(tmp_path / "nats.conf").words


def test_an_old_server_is_wrong() -> None:
    assert version(2, 11).state == "wrong"
    assert version(2, 12).state == "ok"
    assert version(3, 0).state == "ok"


def test_clocks_that_differ_are_wrong_and_the_time_of_asking_is_not_counted() -> None:
    assert clocks.ahead(100.0, 100.4, 101.0) == 0.0
    assert clocks.ahead(100.0, 103.0, 101.0) == 2.0
    assert clocks.ahead(100.0, 97.0, 101.0) == -3.0
    assert clocks.skew({"NATS": 0.5}, LIMITS).state == "ok"
    found = clocks.skew({"NATS": 0.5, "the database": -2.0}, LIMITS)
    assert found.words == "the clock of the database is 2.0 s behind this machine's"


def test_a_service_that_is_not_ready_is_wrong_in_its_own_words() -> None:
    waiting = Report(ready=False, checks={"event log": Part("starting", "waiting for NATS"), "service": Part("ok")})
    found = readiness({"bridge": Report(ready=True), "ingest": waiting})
    assert found.words == "ingest is not ready (event log: waiting for NATS)"
    assert readiness({"bridge": Report(ready=True)}).state == "ok"


def test_who_waits_for_a_connection_is_wrong_and_so_is_what_the_broker_dropped() -> None:
    assert pools({"ingest": {"kaiser_ingest_database_waiting": [({}, 0.0)]}}).state == "ok"
    found = pools(
        {
            "ingest": {"kaiser_ingest_database_waiting": [({}, 3.0)]},
            "bridge": {"kaiser_broker_dropped_messages": [({}, 12.0)]},
        }
    )
    assert "3 callers of ingest wait" in found.words
    assert "dropped 12 messages" in found.words


@pytest.fixture
def tls_server(tmp_path):
    """A server that shows the certificate that a site made a year before."""
    made = NOW - dt.timedelta(days=390)
    certificate, key = Authority(tmp_path / "ca", now=made).issue("gateway", ["127.0.0.1"])
    file = tmp_path / "tls.pem"
    file.write_text(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    plain, _ = listening.accept()
                    with context.wrap_socket(plain, server_side=True) as encrypted:
                        encrypted.recv(1)
                except ssl.SSLError:
                    continue
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def test_a_certificate_that_ends_soon_or_has_ended_is_wrong(tls_server) -> None:
    from kaiser.ctl.site import Gateway

    site = Site(name="here", gateway=Gateway(url=tls_server))
    shown = [each for each in certificates.shown_by(site) if not isinstance(each, Finding)]
    assert len(shown) == 1
    soon = certificates.end_dates(shown, LIMITS, now=NOW)
    assert (soon.state, "in 7 days" in soon.words) == ("wrong", True)
    assert certificates.end_dates(shown, Limits(days=5), now=NOW).state == "ok"
    ended = certificates.end_dates(shown, LIMITS, now=NOW + dt.timedelta(days=8))
    assert "ended 2026-04-08" in ended.words


def test_certificates_in_files_are_looked_at(tmp_path) -> None:
    certificate, key = Authority(tmp_path / "ca", now=NOW).issue("nats", ["nats"])
    (tmp_path / "tls.crt").write_text(certificate)
    (tmp_path / "tls.key").write_text(key)
    found = list(certificates.in_files(tmp_path))
    assert {Path(each.whose).name for each in found} == {"ca.crt", "tls.crt"}
    assert certificates.end_dates(found, LIMITS, now=NOW).state == "ok"


def test_what_is_not_known_of_a_site_is_not_looked_at() -> None:
    found = examine(Site(name="nowhere"), LIMITS)
    assert {each.check for each in found if each.state == "skipped"} == {"event log", "database", "services"}
    assert verdict(found) == 0


def test_what_does_not_answer_is_exit_code_3() -> None:
    site = Site(
        name="away",
        nats=Nats(url="nats://127.0.0.1:1"),
        database=Postgres(dsn="host=127.0.0.1 port=1 dbname=kaiser user=nobody"),
    )
    found = examine(site, LIMITS)
    assert {each.check for each in found if each.state == "unreachable"} == {"event log", "database"}
    assert verdict(found) == 3
