"""What a service says of its tables so that they can be rebuilt: what fills them, and how two of them are compared."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from msgspec import Struct

from kaiser.eventlog import ConsumerSpec, Handler
from kaiser.timescale import Database, Lifetime


class Source(Struct, frozen=True, kw_only=True):
    """Messages that a handler of the service writes to its tables.

    Attributes:
        spec: The service's durable consumer: stream and subjects; its acknowledgements tell how far the service is. One
            without a durable name is read from the beginning in each process, and its handler knows what it has done.
        consumer: Its row in the table of progress; empty for one without a durable name.
        handle: The service's handler, on the tables that are filled.
    """

    spec: ConsumerSpec
    consumer: str
    handle: Handler


class Table(Struct, frozen=True, kw_only=True):
    """A table and how two versions of it are compared.

    Attributes:
        name: Its name.
        key: Columns that tell rows apart.
        time: The time among them, for comparing chunk by chunk; empty for none.
        ignored: Columns that may differ: when a row was written, and counts of what came in which order.
        sums: Sums of floats, whose last bits depend on the order in which they were added.
        keep_s: Age at which rows go; older ones are not compared. None for never.
        grows: Whether the oldest rows may be missing in the one that is in use, for they go when there is no room.
    """

    name: str
    key: tuple[str, ...]
    time: str = ""
    ignored: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()
    keep_s: int | None = None
    grows: bool = False


class Projection(Struct, frozen=True, kw_only=True):
    """Tables of one service.

    Attributes:
        lanes: Sources; those of one lane are taken in the order in which their messages were stored, for they write to
            the same rows. Lanes do not care about each other.
        tables: All tables that are compared; every table of the schema is swapped.
        lifetimes: When chunks are dropped.
    """

    lanes: tuple[tuple[Source, ...], ...]
    tables: tuple[Table, ...]
    lifetimes: tuple[Lifetime, ...] = ()

    def sources(self) -> tuple[Source, ...]:
        """All of them."""
        return tuple(source for lane in self.lanes for source in lane)


Opener = Callable[[Database, Mapping[str, str]], AbstractAsyncContextManager[Projection]]
"""``projection`` of the module ``rebuilding`` of a service: its projection on a database, and what the environment says
of retention."""
