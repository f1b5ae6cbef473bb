"""A roll-out goes there and back: while it lasts, services of the release before work on the schema of the next one."""

import re
from importlib.resources import files

import pytest

from kaiser.local.postgres import SCHEMAS
from kaiser.local.programs import SERVICES

TAKES_AWAY = re.compile(
    r"\b(DROP\s+(TABLE|COLUMN|VIEW|SCHEMA|TYPE)|RENAME|TRUNCATE|ALTER\s+(COLUMN\s+)?\w+\s+(SET\s+DATA\s+)?TYPE"
    r"|ALTER\s+COLUMN\s+\w+\s+SET\s+NOT\s+NULL)\b",
    re.IGNORECASE,
)
ADDS = re.compile(r"\bADD\s+COLUMN\b[^,;]*", re.IGNORECASE)


def _migrations() -> list[str]:
    folders = {service: files(f"kaiser.{service}") / "migrations" for service in SERVICES if service in SCHEMAS}
    return [
        f"{service}/{file.name}"
        for service, folder in folders.items()
        if folder.is_dir()
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".sql")
    ]


@pytest.mark.parametrize("migration", _migrations())
def test_a_migration_takes_nothing_away_that_the_release_before_uses(migration: str) -> None:
    service, _, name = migration.partition("/")
    text = re.sub(r"--.*", "", (files(f"kaiser.{service}") / "migrations" / name).read_text())
    assert not TAKES_AWAY.search(text), "add beside it, and take the old away a release later"
    for column in ADDS.findall(text):
        assert "NOT NULL" not in column or "DEFAULT" in column, f"the release before does not write {column!r}"
