"""Looks at everything that is known of a site, and says what was found."""

import asyncio
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg

from kaiser.ctl import reaching
from kaiser.ctl.doctor import certificates, clocks, files
from kaiser.ctl.doctor.database import database_findings
from kaiser.ctl.doctor.limits import Limits
from kaiser.ctl.doctor.log import log_findings
from kaiser.ctl.doctor.services import service_findings
from kaiser.ctl.errors import OK, UNREACHABLE, WRONG, CtlError, UnreachableError
from kaiser.ctl.findings import Finding, State, lines
from kaiser.ctl.printing import show
from kaiser.ctl.site import Site
from kaiser.ctl.streams import clock
from kaiser.eventlog import EventLog

Clock = Callable[[], float]
"""This machine's, in unix seconds."""

MARKS: Final[Mapping[State, str]] = {
    "ok": "ok",
    "note": "note",
    "wrong": "WRONG",
    "unreachable": "UNREACHABLE",
    "skipped": "-",
}


def doctor(site: Site, arguments: Namespace) -> int:
    """Print what was found; 1 if something is wrong, 3 if some part does not answer."""
    limits = Limits(
        **{name: value for name in Limits.__struct_fields__ if (value := getattr(arguments, name)) is not None}
    )
    found = examine(site, limits, conf=arguments.mosquitto_conf, certificate_folder=arguments.certificates)
    show(arguments, found, lambda found: "\n".join(_lines(found)))
    return verdict(found)


def examine(
    site: Site,
    limits: Limits,
    *,
    conf: Path | None = None,
    certificate_folder: Path | None = None,
    our_clock: Clock = time.time,
) -> list[Finding]:
    """Everything that can be looked at.

    Args:
        site: Which.
        limits: From where on something is wrong.
        conf: Mosquitto's settings, where the site is no home of this machine.
        certificate_folder: Where certificates are in files.
        our_clock: This machine's.
    """
    found = [] if site.home is None else list(files.home_files(site.home, limits))
    if conf is not None:
        found = [each for each in found if each.check != "broker settings"] + [files.broker_settings(conf)]
    ahead: dict[str, float] = {}
    found += asyncio.run(_log(site, limits, ahead, our_clock))
    found += _database(site, ahead, our_clock)
    if ahead:
        found.append(clocks.skew(ahead, limits))
    found += service_findings(site.health) if site.health else [_skipped("services", "health")]
    found += _certificates(site, limits, certificate_folder, our_clock)
    return found


def verdict(found: Iterable[Finding]) -> int:
    """The exit code."""
    states = {each.state for each in found}
    return WRONG if "wrong" in states else UNREACHABLE if "unreachable" in states else OK


async def _log(site: Site, limits: Limits, ahead: dict[str, float], our_clock: Clock) -> list[Finding]:
    if site.nats is None:
        return [_skipped("event log", "nats")]
    try:
        async with reaching.event_log(site) as log:
            found = [each async for each in log_findings(site, log, limits)]
            ahead["NATS"] = await _nats_ahead(log, our_clock)
            return found
    except CtlError as error:
        return [_failed("event log", error)]


async def _nats_ahead(log: EventLog, our_clock: Clock) -> float:
    before = our_clock()
    theirs = await clock(log)
    return clocks.ahead(before, theirs, our_clock())


def _database(site: Site, ahead: dict[str, float], our_clock: Clock) -> list[Finding]:
    if site.database is None:
        return [_skipped("database", "database")]
    try:
        with reaching.database(site) as connection:
            ahead["the database"] = _database_ahead(connection, our_clock)
            return list(database_findings(connection))
    except (CtlError, psycopg.Error) as error:
        return [_failed("database", error)]


def _database_ahead(connection: psycopg.Connection[Any], our_clock: Clock) -> float:
    before = our_clock()
    row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    assert row is not None
    return clocks.ahead(before, row[0], our_clock())


def _certificates(site: Site, limits: Limits, folder: Path | None, our_clock: Clock) -> Iterator[Finding]:
    dated = []
    for each in certificates.shown_by(site):
        if isinstance(each, Finding):
            yield each
        else:
            dated.append(each)
    if folder is not None:
        dated += certificates.in_files(folder)
    yield certificates.end_dates(dated, limits, now=datetime.fromtimestamp(our_clock(), UTC))


def _skipped(check: str, option: str) -> Finding:
    words = f"not looked at: say where it is with --{option} or KAISER_CTL_{option.upper()}"
    return Finding(check=check, state="skipped", words=words)


def _failed(check: str, error: Exception) -> Finding:
    if isinstance(error, UnreachableError | psycopg.OperationalError):
        advice = "start it, or mend address and credentials"
        return Finding(check=check, state="unreachable", words=str(error).strip(), advice=advice)
    return Finding(check=check, state="wrong", words=str(error).strip(), advice="see docs/runbook.md")


def _lines(found: list[Finding]) -> Iterator[str]:
    yield from lines(found, MARKS, indent=12)
    wrong = sum(each.state == "wrong" for each in found)
    yield f"\n{len(found)} checks, {wrong} wrong" if wrong else f"\n{len(found)} checks, nothing wrong"
