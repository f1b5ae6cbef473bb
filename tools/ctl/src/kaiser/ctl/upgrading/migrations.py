"""Migrations that are pending, and whether they only add: the release before has to work beside them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import psycopg
from psycopg import sql

from kaiser.ctl.findings import Finding, note, ok, stop
from kaiser.ctl.upgrading.releases import Described

APPLIED: Final = "SELECT migration_id FROM {}.{} ORDER BY migration_id"
TABLE: Final = "_yoyo_migration"

TAKES_AWAY: Final = re.compile(
    r"\b(DROP\s+(TABLE|COLUMN|SCHEMA|VIEW|FUNCTION|TYPE|CONSTRAINT)|TRUNCATE|DELETE\s+FROM|RENAME\s+(TO|COLUMN)"
    r"|ALTER\s+COLUMN\s+\w+\s+(TYPE|SET\s+DATA\s+TYPE|SET\s+NOT\s+NULL))\b",
    re.IGNORECASE,
)
COMMENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


def migrations(connection: psycopg.Connection[Any], found: Mapping[str, Described]) -> Iterator[Finding]:
    """What of each service's migrations is pending."""
    for service, told in found.items():
        if told.migrations:
            yield pending(service, told.migrations, _applied(connection, service))


def pending(service: str, known: Mapping[str, str], applied: set[str] | None) -> Finding:
    """What is pending, and whether it can be applied while the release before still runs. Pure.

    Args:
        service: Whose.
        known: Migrations of this release: name to SQL.
        applied: Names of those that were applied; None where there is no schema.
    """
    check = "migrations"
    if applied is None:
        return note(check, f"{service} has no schema yet, and makes it")
    if newer := sorted(applied - set(known)):
        words = f"{service}: the database has {', '.join(newer)}, which this release does not know"
        return note(check, words, "it was made by a newer release; what that added is left alone")
    missing = [name for name in known if name not in applied]
    if not missing:
        return ok(check, f"{service}: none pending")
    bad = [f"{name}: {words}" for name in missing if (words := "; ".join(takes_away(known[name])))]
    if bad:
        advice = "stop the release before first, for it cannot work beside this; and back up"
        return stop(check, f"{service} would take away what the release before uses: {', '.join(bad)}", advice)
    return note(check, f"{service}: {', '.join(missing)} pending, which only add")


def takes_away(text: str) -> list[str]:
    """What a migration takes away or makes narrower, in its own words. Pure."""
    plain = COMMENT.sub(" ", text)
    return [" ".join(match[0].upper().split()) for match in TAKES_AWAY.finditer(plain)]


def _applied(connection: psycopg.Connection[Any], schema: str) -> set[str] | None:
    query = sql.SQL(APPLIED).format(sql.Identifier(schema), sql.Identifier(TABLE))
    try:
        return {name for (name,) in connection.execute(query)}
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return None
