"""Watches a running suite from outside: when each reading was committed, and when it reached a WebSocket client.

Committed is when ingest acknowledges the batch to JetStream, which it does after its transaction (the kill -9 tests hold
it to that); the acknowledgement is a NATS message that an operator may listen to, so nothing has to be polled.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator

import httpx
import msgspec
import websockets

from kaiser.eventlog import EventLog, OrderedReader, connect
from kaiser.local.layout import Layout
from kaiser.local.nats import OPERATOR
from kaiser.local.ports import LOOPBACK

Number = tuple[str, int]  # device and its sequence number, which name a reading of the load generator


class _Raw(msgspec.Struct):
    reading_id: list[int]
    esp_id: list[str]
    seq: list[int]


class _Finished(msgspec.Struct):
    reading_id: list[int]


_decode_raw = msgspec.json.Decoder(_Raw).decode
_decode_finished = msgspec.json.Decoder(_Finished).decode


class Observed:
    """What was seen, in unix microseconds of this machine's clock.

    Attributes:
        number_of: Reading id to device and sequence number.
        batch_of: Reading id to the stream sequence of its finished batch.
        committed_at: Stream sequence of a finished batch to when it was acknowledged.
        pushed_at: Reading id to when the WebSocket client had it.
        missed: Readings that the client was told it missed.
    """

    def __init__(self) -> None:
        self.number_of: dict[int, Number] = {}
        self.batch_of: dict[int, int] = {}
        self.committed_at: dict[int, int] = {}
        self.pushed_at: dict[int, int] = {}
        self.missed = 0

    def rows_at(self) -> dict[Number, int]:
        """When each reading was a committed row."""
        return {
            number: self.committed_at[self.batch_of[reading_id]]
            for reading_id, number in self.number_of.items()
            if self.batch_of.get(reading_id) in self.committed_at
        }

    def clients_at(self) -> dict[Number, int]:
        """When each reading was at the WebSocket client."""
        return {
            self.number_of[reading_id]: at for reading_id, at in self.pushed_at.items() if reading_id in self.number_of
        }


@contextlib.asynccontextmanager
async def observing(layout: Layout, *, websocket: bool = True) -> AsyncIterator[Observed]:
    """Watch while the block runs."""
    found = Observed()
    url = f"nats://{LOOPBACK}:{layout.ports.nats}"
    password = layout.secrets.value(f"nats-{OPERATOR}")
    async with await connect(url, name="bench", user=OPERATOR, password=password) as log:
        await log.nc.subscribe("$JS.ACK.TELEMETRY.ingest-recorder.>", cb=_acknowledged(found))
        work = [
            asyncio.create_task(_read(log, "TELEMETRY_RAW", found)),
            asyncio.create_task(_read(log, "TELEMETRY", found)),
        ]
        if websocket:
            work.append(asyncio.create_task(_watch(layout, found)))
        await asyncio.sleep(0.5)
        try:
            yield found
        finally:
            for task in work:
                task.cancel()
            for result in await asyncio.gather(*work, return_exceptions=True):
                if isinstance(result, Exception):
                    raise result


async def token(layout: Layout) -> str:
    """An access token of the first admin."""
    body = {"username": "admin", "password": layout.secrets.value("admin")}
    async with httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{layout.ports.gateway}") as client:
        answer = await client.post("/api/v1/auth/login", json=body)
        answer.raise_for_status()
        return str(answer.json()["tokens"]["access_token"])


def _now_us() -> int:
    return time.time_ns() // 1000


def _acknowledged(found: Observed):
    async def heard(message) -> None:
        # $JS.ACK.{stream}.{consumer}.{deliveries}.{stream seq}.…, or with domain and account in front of the stream
        levels = message.subject.split(".")
        if message.data in (b"", b"+ACK"):
            found.committed_at.setdefault(int(levels[-5] if len(levels) > 9 else levels[5]), _now_us())

    return heard


async def _read(log: EventLog, stream: str, found: Observed) -> None:
    async with OrderedReader(log, stream) as reader:
        while True:
            for delivery in await reader.take():
                if stream == "TELEMETRY_RAW":
                    raw = _decode_raw(delivery.data)
                    found.number_of.update(zip(raw.reading_id, zip(raw.esp_id, raw.seq, strict=True), strict=True))
                else:
                    found.batch_of.update(dict.fromkeys(_decode_finished(delivery.data).reading_id, delivery.seq))


async def _watch(layout: Layout, found: Observed) -> None:
    access = await token(layout)
    async with websockets.connect(f"ws://{LOOPBACK}:{layout.ports.gateway}/ws", max_size=None) as socket:
        await socket.send(json.dumps({"action": "authenticate", "token": access}))
        await socket.send(
            json.dumps({"action": "subscribe", "filters": {"types": ["sensor_data"]}, "delivery": "immediate"})
        )
        async for text in socket:
            at = _now_us()
            message = msgspec.json.decode(text)
            if message["type"] == "frame":
                found.pushed_at.update((int(event["data"]["reading_id"]), at) for event in message["events"])
            elif message["type"] == "missed":
                found.missed += message["count"]
