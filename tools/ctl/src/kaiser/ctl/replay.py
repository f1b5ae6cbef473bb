"""A range of a stream as JSON lines: one event a line, with where it is in the stream and what the contracts read.

Nothing is published or made anew by this. Tables are made anew from the log by ``rebuild``, and messages of devices
that were refused are taken once more by ``dead-letters replay``; a raw batch that was finished is a fact, and is not
finished a second time.
"""

import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import msgspec
from nats.js.errors import NotFoundError

from kaiser.contracts.events.catalogue import CATALOGUE
from kaiser.contracts.events.codec import EventDecoder, UnknownEventError
from kaiser.contracts.streams import STREAMS
from kaiser.ctl import reaching
from kaiser.ctl.errors import CtlError, UsageError
from kaiser.ctl.site import Site
from kaiser.ctl.times import moment_us
from kaiser.eventlog import Delivery, EventLog, replay_batches
from kaiser.eventlog.archive import ArchiveError, Folder, history

SECRET: Final = frozenset({"password_hash", "digest"})
"""Fields that open something, or help to."""


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event.

    Attributes:
        stored_at: Unix microseconds, as is ``time``.
        data: The body as this release's newest struct has it.
        error: Why it cannot be decoded; its bytes are then in ``body``.
    """

    stream: str
    seq: int
    stored_at: int
    subject: str
    type: str
    id: str
    source: str
    time: int
    data: Any = None  # JSON
    error: str = ""
    body: bytes = b""


def replay(site: Site, arguments: Namespace) -> int:
    """Write the range; 1 if something cannot be decoded."""
    names = [spec.name for spec in STREAMS if spec.retention != "workqueue"]  # which has one reader only
    if arguments.stream not in names:
        raise UsageError(f"{arguments.stream} is none of {', '.join(names)}.")
    return reaching.run(_replay(site, arguments))


async def _replay(site: Site, arguments: Namespace) -> int:
    read = Reading(secrets=arguments.secrets)
    end_us, broken = moment_us(arguments.end), 0
    write = sys.stdout.buffer.write
    async with reaching.event_log(site) as log:
        async for batch in _batches(log, arguments):
            for delivery in batch:
                if end_us and delivery.stored_at >= end_us:
                    return int(broken > 0)
                line = read.line(delivery)
                if line.type.startswith(arguments.kind):
                    broken += bool(line.error)
                    write(msgspec.json.encode(line) + b"\n")
            sys.stdout.buffer.flush()
    if broken:
        print(f"kaiserctl: {broken} events cannot be decoded; see their 'error'.", file=sys.stderr)
    return int(broken > 0)


async def _batches(log: EventLog, arguments: Namespace) -> AsyncIterator[list[Delivery]]:
    start_us = moment_us(arguments.start)
    try:
        if arguments.archive is None:
            async for batch in replay_batches(
                log,
                arguments.stream,
                subjects=tuple(arguments.subject),
                from_seq=max(1, arguments.from_seq),
                from_time_us=start_us,
                until_seq=arguments.to_seq,
            ):
                yield batch
            return
        if arguments.subject:
            raise UsageError("--subject and --archive do not go together: an archive has no filter.")
        lives = [folder for folder in Folder.lives(arguments.archive) if folder.stream == arguments.stream]
        if not lives:
            raise CtlError(f"there is no {arguments.stream} in {arguments.archive}.")
        async for batch in history(log, lives[-1], from_seq=arguments.from_seq):
            last = arguments.to_seq
            yield [each for each in batch if each.stored_at >= start_us and not (last and each.seq > last)]
    except NotFoundError as error:
        raise CtlError(f"there is no stream {arguments.stream} here.") from error
    except ArchiveError as error:
        raise CtlError(str(error)) from error


class Reading:
    """Decodes deliveries by the contracts of this release.

    Args:
        secrets: Whether digests and password hashes are shown.
    """

    def __init__(self, *, secrets: bool) -> None:
        self._decoder = EventDecoder({kind.name: kind.body for kind in CATALOGUE})
        self._secrets = secrets

    def line(self, delivery: Delivery) -> Line:
        """What is written of a delivery."""
        event = delivery.event
        where = Line(
            stream=delivery.stream,
            seq=delivery.seq,
            stored_at=delivery.stored_at,
            subject=delivery.subject,
            type=event.type,
            id=event.id,
            source=event.source,
            time=event.time,
        )
        try:
            data = msgspec.to_builtins(self._decoder.decode(event.type, delivery.data))
        except (UnknownEventError, msgspec.MsgspecError) as error:
            return msgspec.structs.replace(where, error=str(error), body=delivery.data)
        return msgspec.structs.replace(where, data=data if self._secrets else without_secrets(data))


def without_secrets(value: Any) -> Any:  # JSON
    """A body without what opens something. Pure."""
    if isinstance(value, Mapping):
        return {name: without_secrets(each) for name, each in value.items() if name not in SECRET}
    return [without_secrets(each) for each in value] if isinstance(value, list) else value
