"""The compose file says what the code says. It is really run by ``make test-containers``."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from kaiser.local.backup.site import Settings, find_site
from kaiser.local.programs import SERVERS, SERVICES
from kaiser.local.site.parts import KAISER_UID, OWNERS, PARTS
from kaiser.service.settings import variables

from .conftest import DEPLOY
from .services import check, settings_of, talks_to

NETWORK_OF = {"nats": "log", "postgres": "database", "mosquitto": "broker"}
IN_IMAGE = {"KAISER_HEALTH_HOST": "0.0.0.0", "KAISER_HEALTH_PORT": "8081", "KAISER_LOG_FORMAT": "json"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())


def _default(text: str) -> str:
    """A value where no variable of the host is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def test_every_service_and_server_is_there_and_three_jobs(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {*SERVICES, *SERVERS, "setup", "database", "backup"}


def test_every_variable_is_known_to_its_service_and_all_that_are_needed_are_there(
    compose: dict[str, Any], site: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    for service in SERVICES:
        (folder := tmp_path / service).mkdir()
        given = {name: _default(str(value)) for name, value in compose["services"][service]["environment"].items()}
        check(service, IN_IMAGE | given, site[service], folder)


def test_the_image_sets_what_this_takes_for_granted() -> None:
    recipe = (DEPLOY / "images" / "Dockerfile").read_text()
    assert all(f"{name}={value}" in recipe for name, value in IN_IMAGE.items())


def test_a_service_is_on_the_networks_of_the_servers_that_it_talks_to(compose: dict[str, Any]) -> None:
    internal = {name for name, network in compose["networks"].items() if (network or {}).get("internal")}
    assert internal == set(NETWORK_OF.values())
    for service in SERVICES:
        assert set(compose["services"][service]["networks"]) & internal == {
            NETWORK_OF[one] for one in talks_to(service)
        }
    published = {name for name, found in compose["services"].items() if "ports" in found}
    assert published == {"mosquitto", "gateway"}


def test_everything_is_confined_and_bounded(compose: dict[str, Any]) -> None:
    for name, found in compose["services"].items():
        assert found["read_only"], name
        assert found["cap_drop"] == ["ALL"], name
        assert found["security_opt"] == ["no-new-privileges:true"], name
        assert name in ("setup", "database", "backup") or ("mem_limit" in found and "healthcheck" in found), name


def test_the_setup_writes_where_each_part_reads(compose: dict[str, Any]) -> None:
    setup = dict(volume.split(":")[:2] for volume in compose["services"]["setup"]["volumes"])
    assert {part: setup[f"site-{part}"] for part in PARTS} == {part: f"/site/{part}" for part in PARTS}
    for part in PARTS:
        assert f"site-{part}:/site:ro" in compose["services"][part]["volumes"]
    readers = [name for name, found in compose["services"].items() if "secrets:/secrets" in found["volumes"]]
    assert readers == ["setup"], "the site's own secrets are for nobody else"


def test_every_server_runs_as_whom_its_files_belong_to(compose: dict[str, Any]) -> None:
    for server in SERVERS:
        uid, _, gid = _default(compose["services"][server]["user"]).partition(":")
        assert int(uid) == int(gid) == OWNERS.get(server, KAISER_UID)


def test_what_is_to_outlive_a_container_is_in_a_volume(compose: dict[str, Any]) -> None:
    kept = {name: found["volumes"] for name, found in compose["services"].items() if name in (*SERVERS, "bridge")}
    assert all(any(volume.startswith(f"{name}:") for volume in volumes) for name, volumes in kept.items())


def test_buckets_open_a_way_out_for_who_writes_to_them_alone(compose: dict[str, Any]) -> None:
    more = yaml.safe_load((DEPLOY / "compose" / "storage.yaml").read_text())
    assert set(more["services"]) == {"ingest", "backup"}
    assert set(more["networks"]).isdisjoint(compose["networks"])
    known = {name for settings in (settings_of("ingest"), Settings) for name, _ in variables(settings)} | {
        "SSL_CERT_DIR"
    }
    for name, found in more["services"].items():
        assert [one for one in found["environment"] if one.removesuffix("_FILE") not in known] == [], name
        assert found["environment"]["KAISER_ARCHIVE_FOLDER"] is None, "one of them"
        assert set(found["secrets"]) == set(more["secrets"])


def test_the_backup_knows_its_variables(
    compose: dict[str, Any], site: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    for name, text in site["backup"].items():
        (tmp_path / name).write_text(text)
    given = compose["services"]["backup"]["environment"]
    found = find_site({name: str(value).replace("/site/", f"{tmp_path}/") for name, value in given.items()})
    assert found.nats.password == site["backup"]["nats-password"]
    assert (found.store(None).where, found.archive) == ("/backups", Path("/archive"))
