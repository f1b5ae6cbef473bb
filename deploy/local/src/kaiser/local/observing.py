"""Watches a running suite from outside: when each reading was committed, and when it reached a WebSocket client.

Committed is when ingest acknowledges the batch to JetStream, which it does after its transaction (the kill -9 tests
hold it to that). The acknowledgement is a NATS message that an operator may listen to, so nothing has to be polled.
"""

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, Final

import httpx
import msgspec
import websockets
from nats.aio.msg import Msg

from kaiser.eventlog import EventLog, OrderedReader, connect
from kaiser.local.layout import Layout
from kaiser.local.nats import OPERATOR
from kaiser.local.ports import LOOPBACK

Key = tuple[str, int, str, str, int, int]
"""Device, pin, type, address, device time in seconds, count: what a device said, by which a reading is known again."""

ACKS: Final = "$JS.ACK.TELEMETRY.ingest-recorder.>"
SEQ_LEVEL: Final = 5
"""Level of the stream sequence in ``$JS.ACK.{stream}.{consumer}.{deliveries}.{stream seq}.…``."""
MOST_WAITING: Final = 500_000
"""What waits for its other half is forgotten beyond this, the oldest first."""


class _Finished(msgspec.Struct):
    reading_id: list[int]
    esp_id: list[str]
    gpio: list[int]
    sensor_type: list[str]
    address: list[str]
    device_ts: list[int]
    raw: list[float]

    def keys(self) -> list[Key]:
        columns = (self.esp_id, self.gpio, self.sensor_type, self.address, self.device_ts, map(int, self.raw))
        return list(zip(*columns, strict=True))


class Observed:
    """What was seen since it was last drained, with unix microseconds of this machine's clock.

    Attributes:
        rows: Each reading that became a committed row, and when.
        pushes: Each reading that the WebSocket client got, and when.
        missed: Readings that the client was told it missed.
    """

    def __init__(self) -> None:
        self.rows: list[tuple[Key, int]] = []
        self.pushes: list[tuple[Key, int]] = []
        self.missed = 0
        self._batches: dict[int, list[Key]] = {}
        self._committed: dict[int, int] = {}
        self._keys: dict[int, Key] = {}
        self._pushed: dict[int, int] = {}

    def finished(self, seq: int, batch: _Finished) -> None:
        """A batch was read from the log."""
        keys = batch.keys()
        if (at := self._committed.pop(seq, None)) is not None:
            self.rows += [(key, at) for key in keys]
        else:
            self._batches[seq] = keys
        for reading_id, key in zip(batch.reading_id, keys, strict=True):
            if (at := self._pushed.pop(reading_id, None)) is not None:
                self.pushes.append((key, at))
            else:
                self._keys[reading_id] = key
        for waiting in (self._batches, self._committed, self._keys, self._pushed):
            while len(waiting) > MOST_WAITING:
                del waiting[next(iter(waiting))]

    def committed(self, seq: int, at: int) -> None:
        """A batch was acknowledged by the recorder."""
        if (keys := self._batches.pop(seq, None)) is not None:
            self.rows += [(key, at) for key in keys]
        else:
            self._committed.setdefault(seq, at)

    def pushed(self, reading_id: int, at: int) -> None:
        """The WebSocket client got a reading."""
        if (key := self._keys.pop(reading_id, None)) is not None:
            self.pushes.append((key, at))
        else:
            self._pushed[reading_id] = at


class Vantage(msgspec.Struct, frozen=True, kw_only=True):
    """Where to watch from.

    Attributes:
        nats_url: The event log, with user and password for somebody who may listen to acknowledgements.
        socket_url: The gateway's WebSocket; empty for none.
        token: Gets an access token.
        tls: For certificates of the site's own authority.
    """

    nats_url: str
    nats_user: str | None = None
    nats_password: str | None = None
    socket_url: str = ""
    token: Callable[[], Awaitable[str]]
    tls: ssl.SSLContext | None = None


def at_home(layout: Layout, *, websocket: bool = True) -> Vantage:
    """Where to watch the suite of a home from."""
    return Vantage(
        nats_url=f"nats://{LOOPBACK}:{layout.ports.nats}",
        nats_user=OPERATOR,
        nats_password=layout.secrets.value(f"nats-{OPERATOR}"),
        socket_url=f"ws://{LOOPBACK}:{layout.ports.gateway}/ws" if websocket else "",
        token=partial(token, layout),
    )


@contextlib.asynccontextmanager
async def observing(layout: Layout, *, websocket: bool = True) -> AsyncIterator[Observed]:
    """Watch the suite of a home while the block runs."""
    async with watching(at_home(layout, websocket=websocket)) as found:
        yield found


@contextlib.asynccontextmanager
async def watching(vantage: Vantage) -> AsyncIterator[Observed]:
    """Watch any site while the block runs."""
    found = Observed()
    tls = vantage.tls if vantage.nats_url.startswith("tls") else None
    user, password = vantage.nats_user, vantage.nats_password
    async with await connect(vantage.nats_url, name="observer", user=user, password=password, tls=tls) as log:
        await log.nc.subscribe(ACKS, cb=_acknowledged(found))
        work = [asyncio.create_task(_read(log, found))]
        if vantage.socket_url:
            work.append(asyncio.create_task(_watch(vantage, found)))
        await asyncio.sleep(0.5)
        try:
            yield found
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)


async def token(layout: Layout) -> str:
    """An access token of the first admin."""
    body = {"username": "admin", "password": layout.secrets.value("admin")}
    async with httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{layout.ports.gateway}") as client:
        answer = await client.post("/api/v1/auth/login", json=body)
        answer.raise_for_status()
        return str(answer.json()["tokens"]["access_token"])


def now_us() -> int:
    """Unix microseconds."""
    return time.time_ns() // 1000


def _acknowledged(found: Observed) -> Callable[[Msg], Awaitable[None]]:
    async def heard(message: Msg) -> None:
        if message.data in (b"", b"+ACK"):
            found.committed(int(message.subject.split(".")[SEQ_LEVEL]), now_us())

    return heard


async def _read(log: EventLog, found: Observed) -> None:
    decode = msgspec.json.Decoder(_Finished).decode
    async with OrderedReader(log, "TELEMETRY") as reader:
        while True:
            for delivery in await reader.take():
                found.finished(delivery.seq, decode(delivery.data))


async def _watch(vantage: Vantage, found: Observed) -> None:
    access = await vantage.token()
    wanted: dict[str, Any] = {"types": ["sensor_data"], "pending": True}
    tls = vantage.tls if vantage.socket_url.startswith("wss") else None
    async with websockets.connect(vantage.socket_url, max_size=None, ssl=tls) as socket:
        await socket.send(json.dumps({"action": "authenticate", "token": access}))
        await socket.send(json.dumps({"action": "subscribe", "filters": wanted, "delivery": "immediate"}))
        async for text in socket:
            at = now_us()
            message = msgspec.json.decode(text)
            if message["type"] == "frame":
                for event in message["events"]:
                    found.pushed(int(event["data"]["reading_id"]), at)
            elif message["type"] == "missed":
                found.missed += message["count"]
