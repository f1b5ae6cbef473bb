"""What a site on containers gets before it starts."""

import datetime as dt
import json
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from kaiser.local.programs import SERVICES
from kaiser.local.site.parts import PARTS, Options
from kaiser.local.site.writing import prepare_data, write_site

STRICT = Options()
NOW = dt.datetime(2026, 11, 27, tzinfo=dt.UTC)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return written(tmp_path)


def written(folder: Path, options: Options = STRICT, *, now: dt.datetime = NOW, names: str = "") -> Path:
    uid = folder.stat().st_uid
    owners = dict.fromkeys(("mosquitto", "nats", "postgres"), uid)
    write_site(folder / "site", folder / "secrets", options, names=names.split(), owners=owners, now=now)
    return folder / "site"


def everything(site: Path) -> dict[str, str]:
    return {str(path.relative_to(site)): path.read_text() for path in site.rglob("*") if path.is_file()}


def test_every_service_and_server_has_a_folder(site: Path) -> None:
    assert {path.name for path in site.iterdir()} == set(PARTS)
    assert set(SERVICES) <= set(PARTS)


def test_nobody_else_may_read_any_of_it(site: Path) -> None:
    assert {path.stat().st_mode & 0o077 for path in [site, *site.rglob("*")] if path != site} == {0}


def test_writing_it_again_changes_nothing(tmp_path: Path) -> None:
    before = everything(written(tmp_path))
    after = everything(written(tmp_path))
    same = {name for name in before if name != "mosquitto/passwords"}  # each hash has a salt of its own
    assert {name: after[name] for name in same} == {name: before[name] for name in same}


def test_certificates_are_renewed_in_time_and_for_new_names_by_the_same_authority(tmp_path: Path) -> None:
    first = everything(written(tmp_path))
    named = everything(written(tmp_path, names="kaiser.example 192.0.2.7"))
    late = everything(written(tmp_path, now=NOW + dt.timedelta(days=340), names="kaiser.example 192.0.2.7"))
    assert len({site["nats/tls.crt"] for site in (first, named, late)}) == 3
    assert first["nats/ca.crt"] == late["bridge/ca.crt"]
    names = x509.load_pem_x509_certificate(named["mosquitto/tls.crt"].encode()).extensions
    found = names.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"mosquitto", "localhost", "kaiser.example"} <= set(found.get_values_for_type(x509.DNSName))
    assert "192.0.2.7" in map(str, found.get_values_for_type(x509.IPAddress))


def test_a_certificate_is_one_that_openssl_takes(site: Path) -> None:
    context = ssl.create_default_context(cafile=str(site / "bridge" / "ca.crt"))
    assert context.cert_store_stats()["x509_ca"] == 1
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(site / "nats" / "tls.crt", site / "nats" / "tls.key")


def test_a_service_knows_no_password_but_its_own(site: Path) -> None:
    users = {
        user["user"]: user["password"]
        for user in json.loads((site / "nats" / "nats.conf").read_text())["authorization"]["users"]
    }
    for service in SERVICES:
        own = everything(site / service)
        assert own["nats-password"] == users[service]
        assert not set(own.values()) & {users[other] for other in users if other != service}
        assert "tls.key" not in own or service == "gateway"


def test_the_shared_account_of_devices_is_there_only_if_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    strict = (written(tmp_path / "a") / "mosquitto" / "passwords").read_text()
    shared = (written(tmp_path / "b", Options(shared_account=True)) / "mosquitto" / "passwords").read_text()
    assert [line.split(":")[0] for line in strict.splitlines()] == ["bridge", "access", "commissioning"]
    assert "device" in [line.split(":")[0] for line in shared.splitlines()]


def test_the_brokers_clients_are_laid_once_and_then_its_own(tmp_path: Path) -> None:
    data = tmp_path / "volumes"
    (data / "mosquitto").mkdir(parents=True)
    prepare_data(data)
    (data / "mosquitto" / "dynamic-security.json").write_text('{"clients":[{"username":"ESP_1"}]}')
    prepare_data(data)
    assert "ESP_1" in (data / "mosquitto" / "dynamic-security.json").read_text()
