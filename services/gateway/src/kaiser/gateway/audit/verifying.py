"""``python -m kaiser.gateway audit``: whether anything was changed in the list of what was done."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import structlog

from kaiser.contracts.events.identity import Audited
from kaiser.eventlog import connect
from kaiser.gateway.audit import chain, reading
from kaiser.gateway.audit.chain import Check
from kaiser.service.settings import NatsSettings, SettingsError, load


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the log is."""

    nats: NatsSettings


def verify(arguments: Sequence[str]) -> int:
    """Verify the chain in the log, or in an export; the exit code.

    Prints what is wrong, and the head: noted elsewhere, and given as ``--known`` later, it shows that what was there
    has not been written anew. 0 for a whole chain, 1 for a broken one, 2 where it cannot be told.
    """
    parser = argparse.ArgumentParser(prog="kaiser.gateway audit", description=verify.__doc__)
    parser.add_argument("--file", type=Path, help="an export (JSON lines) instead of the log")
    parser.add_argument("--known", type=chain.read_head, metavar="NUMBER:HASH", help="a head that was noted before")
    parser.add_argument("--json", action="store_true", help="for programs")
    asked = parser.parse_args(arguments)
    # What is said of the connection is none of the answer
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet, logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    check = Check(asked.known)
    try:
        broken = _file(check, asked.file) if asked.file else asyncio.run(_log(check))
    except (SettingsError, OSError, msgspec.MsgspecError) as error:
        print(f"audit: {error}", file=sys.stderr)
        return 2
    broken |= _say(check.end(whole=asked.file is None))
    head = check.head.words()
    if asked.json:
        print(msgspec.json.encode({"whole": not broken, "entries": check.entries, "head": head}).decode())
    else:
        print(f"audit: {check.entries} entries, head {head}")
    return 1 if broken else 0


def _say(faults: Sequence[str]) -> bool:
    for fault in faults:
        print(f"audit: {fault}", file=sys.stderr)
    return bool(faults)


def _file(check: Check, path: Path) -> bool:
    broken = False
    with path.open("rb") as lines:
        for line in lines:
            broken |= _say(check.take(msgspec.json.decode(line, type=Audited)))
    return broken


async def _log(check: Check) -> bool:
    nats, broken = load(LogSettings).nats, False
    async with await connect(nats.url, name="gateway-audit", user=nats.user, password=nats.password) as event_log:
        async for _, entry in reading.entries(event_log, reading.Wanted()):
            broken |= _say(check.take(entry))
    return broken
