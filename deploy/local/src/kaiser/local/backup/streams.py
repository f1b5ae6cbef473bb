"""Snapshots of JetStream's streams over its API, which nats-py does not have: taken into files, and given back.

The protocol is in nats-server's ``jetstream_api.go``: a snapshot comes in chunks, of which each is acknowledged on its
reply subject and the last message is empty; a restore is given chunks as requests, and answers the empty one when it is
done. Both give up after five seconds without a word, so what is slower than that, a store on the net, is not asked
meanwhile: snapshots go through files.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import nats.errors

from kaiser.eventlog import EventLog
from kaiser.local.backup.errors import BackupError
from kaiser.local.backup.manifest import Place, StreamPart

CHUNK_BYTES: Final = 128 * 1024
ANSWER_S: Final = 30.0
CHUNK_S: Final = 60.0
"""A check of all messages comes before the first chunk."""
DONE_S: Final = 600.0
"""A server reads a large stream again before it says that it has it."""
_GOOD: Final = ("", "204")


class Taken(msgspec.Struct, frozen=True):
    """A snapshot in a file.

    Attributes:
        config: The stream's configuration.
        state: Its state at the moment of the snapshot.
        path: The file.
    """

    config: dict[str, Any]
    state: dict[str, Any]
    path: Path


async def stream_names(log: EventLog) -> list[str]:
    """Names of all streams, those of buckets, too.

    Raises:
        BackupError: JetStream refuses.
    """
    found: list[str] = []
    while True:
        page = await _ask(log, "STREAM.NAMES", {"offset": len(found)})
        found += page["streams"] or []
        if not page["streams"] or len(found) >= page["total"]:
            return sorted(found)


async def places(log: EventLog, streams: Sequence[str]) -> dict[str, tuple[Place, ...]]:
    """Where the durable consumers of streams are, now.

    Raises:
        BackupError: JetStream refuses.
    """
    return {stream: await _places(log, stream) for stream in streams}


async def _places(log: EventLog, stream: str) -> tuple[Place, ...]:
    found: list[dict[str, Any]] = []
    while True:
        page = await _ask(log, f"CONSUMER.LIST.{stream}", {"offset": len(found)})
        found += page["consumers"] or []
        if not page["consumers"] or len(found) >= page["total"]:
            break
    return tuple(
        Place(durable=each["name"], config=each["config"], floor=each["ack_floor"].get("stream_seq", 0))
        for each in found
        if each["config"].get("durable_name")
    )


async def take(log: EventLog, stream: str, path: Path) -> Taken:
    """Take a snapshot of a stream without its consumers; every message is checked on the way.

    Args:
        log: The connection, of somebody who may.
        stream: Its name.
        path: File to write.

    Raises:
        BackupError: The server refuses, or gave up.
    """
    inbox = log.nc.new_inbox()
    subscription = await log.nc.subscribe(inbox)
    try:
        wanted = {"deliver_subject": inbox, "no_consumers": True, "chunk_size": CHUNK_BYTES, "jsck": True}
        answer = await _ask(log, f"STREAM.SNAPSHOT.{stream}", wanted)
        with path.open("wb") as file:
            while (message := await subscription.next_msg(timeout=CHUNK_S)).data:
                file.write(message.data)
                if message.reply:
                    await log.nc.publish(message.reply)
    except nats.errors.TimeoutError as error:
        raise BackupError(f"the snapshot of {stream} stopped: NATS says nothing more") from error
    finally:
        await subscription.unsubscribe()
    status = message.headers or {}
    if status.get("Status", "") not in _GOOD:
        raise BackupError(f"the snapshot of {stream} failed: {status.get('Description', status)}")
    return Taken(answer["config"], answer["state"], path)


async def give_back(log: EventLog, part: StreamPart, file: BinaryIO, *, replicas: int | None = None) -> dict[str, Any]:
    """Make a stream of its snapshot, and its durable consumers where they were.

    Args:
        log: The connection, of somebody who may.
        part: The stream.
        file: Its snapshot.
        replicas: How many copies it is to have, if not as many as it had.

    Returns:
        Its state, as the server says it.

    Raises:
        BackupError: The server refuses, or there is such a stream.
    """
    config = part.config | ({"num_replicas": replicas} if replicas else {})
    answer = await _ask(log, f"STREAM.RESTORE.{part.name}", {"config": config, "state": part.state})
    while chunk := file.read(CHUNK_BYTES):
        _refused(part.name, (await log.nc.request(answer["deliver_subject"], chunk, timeout=CHUNK_S)).data)
    done = (await log.nc.request(answer["deliver_subject"], b"", timeout=DONE_S)).data
    _refused(part.name, done)
    for place in part.places:
        await _ask(log, f"CONSUMER.CREATE.{part.name}.{place.durable}", _consumer(part.name, place, replicas))
    state: dict[str, Any] = json.loads(done)["state"]
    return state


def _consumer(stream: str, place: Place, replicas: int | None) -> dict[str, Any]:
    """A consumer that begins behind what is done, whatever it began with when it was made."""
    left_out = ("opt_start_time", "opt_start_seq", "deliver_policy", *(("num_replicas",) if replicas else ()))
    config = {name: value for name, value in place.config.items() if name not in left_out}
    config |= {"deliver_policy": "by_start_sequence", "opt_start_seq": place.floor + 1}
    return {"stream_name": stream, "config": config}


def _refused(stream: str, body: bytes) -> None:
    if body and (error := json.loads(body).get("error")):
        raise BackupError(f"{stream} cannot be restored: {error.get('description', error)}")


async def _ask(log: EventLog, what: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        reply = await log.nc.request(f"$JS.API.{what}", json.dumps(body).encode(), timeout=ANSWER_S)
    except nats.errors.Error as error:
        raise BackupError(f"JetStream does not answer to {what} ({type(error).__name__})") from error
    answer: dict[str, Any] = json.loads(reply.data)
    if "error" in answer:
        raise BackupError(f"JetStream refuses {what}: {answer['error'].get('description', answer['error'])}")
    return answer
