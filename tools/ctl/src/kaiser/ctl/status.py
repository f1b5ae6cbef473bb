"""How Kaiser is: what each service says of itself, streams, and how far behind their consumers are."""

from argparse import Namespace
from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from kaiser.ctl import reaching
from kaiser.ctl.printing import moment, show, size, table
from kaiser.ctl.services import Report, reports
from kaiser.ctl.site import Site
from kaiser.ctl.streams import Consumer, Stream, consumers, streams


class Lag(msgspec.Struct, frozen=True, kw_only=True):
    """How far behind a durable consumer is, in messages.

    Attributes:
        to_take: Still to be delivered.
        in_hand: Delivered and not acknowledged.
        redelivered: Of these, delivered more than once.
        last_active: When it last acknowledged something.
    """

    name: str
    to_take: int
    in_hand: int
    redelivered: int
    last_active: datetime | None


class StreamLine(msgspec.Struct, frozen=True, kw_only=True):
    """A stream; ``full`` is the share of its limit, None without one."""

    name: str
    messages: int
    bytes: int
    max_bytes: int | None
    full: float | None
    first: int
    last: int
    first_at: datetime | None
    last_at: datetime | None
    consumers: list[Lag]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A site at this moment."""

    site: str
    ready: bool
    services: Mapping[str, Report]
    streams: list[StreamLine]


def status(site: Site, arguments: Namespace) -> int:
    """Say how everything is; 1 if a service is not ready."""
    services = reports(site.health)
    lines = reaching.run(_streams(site))
    ready = all(report.ready for report in services.values())
    found = Status(site=site.name, ready=ready, services=services, streams=lines)
    show(arguments, found, lambda found: "\n".join(_in_words(found)))
    return int(not ready)


async def _streams(site: Site) -> list[StreamLine]:
    async with reaching.event_log(site) as log:
        return [_line(stream, await consumers(log, stream.config.name)) for stream in await streams(log)]


def _line(stream: Stream, found: list[Consumer]) -> StreamLine:
    state, limit = stream.state, stream.config.max_bytes
    return StreamLine(
        name=stream.config.name,
        messages=state.messages,
        bytes=state.bytes,
        max_bytes=limit if limit > 0 else None,
        full=stream.full,
        first=state.first_seq,
        last=state.last_seq,
        first_at=stream.first_at,
        last_at=stream.last_at,
        consumers=[
            Lag(
                name=each.name,
                to_take=each.num_pending,
                in_hand=each.num_ack_pending,
                redelivered=each.num_redelivered,
                last_active=each.ack_floor.last_active,
            )
            for each in found
        ],
    )


def _in_words(found: Status) -> Iterator[str]:
    for name, report in found.services.items():
        yield f"{name:<10} {report.words or ('ready' if report.ready else 'NOT READY')}"
        yield from (f"{'':<10} {check}: {part.words}" for check, part in report.checks.items() if part.words)
    if found.services:
        yield ""
    rows = [
        (
            line.name,
            f"{line.messages:,}",
            size(line.bytes),
            "" if line.full is None else f"{line.full:.0%}",
            moment(line.first_at),
            moment(line.last_at),
        )
        for line in found.streams
    ]
    yield table(("stream", "messages", "size", "full", "first stored", "last stored"), rows, right=(1, 2, 3))
    yield ""
    lags = [
        (
            lag.name,
            line.name,
            f"{lag.to_take:,}",
            f"{lag.in_hand:,}",
            f"{lag.redelivered:,}",
            moment(lag.last_active) or "never",
        )
        for line in found.streams
        for lag in line.consumers
    ]
    titles = ("durable consumer", "stream", "to take", "in hand", "redelivered", "last acknowledged")
    yield table(titles, lags, right=(2, 3, 4))
