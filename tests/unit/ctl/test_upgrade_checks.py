"""What the upgrade check makes of migrations and settings."""

import pytest

from kaiser.ctl.errors import UsageError
from kaiser.ctl.site import Site
from kaiser.ctl.upgrading.migrations import pending, takes_away
from kaiser.ctl.upgrading.releases import Described, environments
from kaiser.ctl.upgrading.settings import settings

KNOWN = {"0001-a": "CREATE TABLE a (i int)", "0002-b": "ALTER TABLE a ADD COLUMN b text"}


def test_nothing_is_pending_where_all_was_applied() -> None:
    assert pending("ingest", KNOWN, set(KNOWN)).state == "ok"


def test_what_only_adds_happens_by_itself() -> None:
    found = pending("ingest", KNOWN, {"0001-a"})
    assert (found.state, found.words) == ("note", "ingest: 0002-b pending, which only add")
    assert pending("ingest", KNOWN, None).state == "note"


def test_what_takes_away_stops_the_upgrade() -> None:
    found = pending("ingest", KNOWN | {"0003-c": "ALTER TABLE a DROP COLUMN b"}, set(KNOWN))
    assert found.state == "stop"
    assert "0003-c: DROP COLUMN" in found.words


def test_data_of_a_newer_release_are_told() -> None:
    found = pending("ingest", KNOWN, {*KNOWN, "0009-z"})
    assert (found.state, "0009-z" in found.words) == ("note", True)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("CREATE TABLE a (i int); CREATE INDEX ON a (i)", []),
        ("-- DROP TABLE a\n/* TRUNCATE */ SELECT 1", []),
        ("drop  table a", ["DROP TABLE"]),
        ("ALTER TABLE a ALTER COLUMN i TYPE bigint", ["ALTER COLUMN I TYPE"]),
        ("ALTER TABLE a ALTER COLUMN i SET NOT NULL", ["ALTER COLUMN I SET NOT NULL"]),
        ("ALTER TABLE a RENAME TO b", ["RENAME TO"]),
        ("DELETE FROM a", ["DELETE FROM"]),
    ],
)
def test_what_a_migration_takes_away_is_found(text: str, found: list[str]) -> None:
    assert takes_away(text) == found


def test_the_migrations_of_this_release_only_add() -> None:
    from kaiser.service.describing import describe

    for service in ("actuator", "safety"):
        for name, text in describe(service, {}).migrations.items():
            assert takes_away(text) == [], name


def test_settings_that_are_missing_stop_and_unknown_ones_are_told() -> None:
    told = Described("ingest", {"KAISER_PG_DSN": "required"}, [], {}, ["KAISER_PG_DSN: is missing"])
    found = list(settings({"ingest": told}, {"ingest": {"KAISER_PG_DSM": "typo", "PATH": "/bin"}}))
    assert [each.state for each in found] == ["stop", "note"]
    assert "KAISER_PG_DSM" in found[1].words


def test_a_variable_of_a_secrets_file_is_known_by_its_own_name() -> None:
    told = Described("ingest", {"KAISER_PG_PASSWORD": "default None"}, [], {}, [])
    assert [each.state for each in settings({"ingest": told}, {"ingest": {"KAISER_PG_PASSWORD_FILE": "/s"}})] == ["ok"]


def test_what_a_service_is_told_is_read_from_a_file(tmp_path) -> None:
    file = tmp_path / "ingest.env"
    file.write_text("# of compose\nexport KAISER_PG_DSN='dbname=kaiser'\n\nKAISER_LOG_LEVEL=info\n")
    found = environments(Site(name="there"), {"ingest": file})
    assert found == {"ingest": {"KAISER_PG_DSN": "dbname=kaiser", "KAISER_LOG_LEVEL": "info"}}
    with pytest.raises(UsageError):
        environments(Site(name="there"), {"nobody": file})
