"""Unix microseconds in and out of ``timestamptz``, without a ``datetime`` in between: that is what events hold."""

from typing import Any, Final

from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.postgres import types
from psycopg.pq import Format

EPOCH_US: Final = 946_684_800_000_000
"""2000-01-01 in unix microseconds: PostgreSQL counts from there."""


class Instant(int):
    """Unix microseconds as a ``timestamptz`` parameter."""


class _InstantDumper(Dumper):
    format = Format.BINARY
    oid = types["timestamptz"].oid

    def dump(self, obj: Any) -> Buffer | None:  # psycopg types every value as Any
        return int(obj - EPOCH_US).to_bytes(8, "big", signed=True)


class _MicrosecondsLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> int:
        return int.from_bytes(data, "big", signed=True) + EPOCH_US


def register(context: AdaptContext) -> None:
    """Let a connection take :class:`Instant`, and give ``timestamptz`` in binary results as unix microseconds."""
    context.adapters.register_dumper(Instant, _InstantDumper)
    context.adapters.register_loader("timestamptz", _MicrosecondsLoader)
