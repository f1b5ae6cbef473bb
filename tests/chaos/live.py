"""A WebSocket client that wants every reading, and remembers what it got."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import httpx
import websockets

from kaiser.local.ephemeral import PASSWORD
from kaiser.local.ephemeral_services import Service

from .load import Reading


class Live:
    """What one client got.

    Attributes:
        got: Readings, in the order that they came.
        missed: How many the gateway said that it left out.
    """

    def __init__(self) -> None:
        self.got: list[Reading] = []
        self.missed = 0

    async def listen(self, socket: websockets.ClientConnection) -> None:
        """Take what comes, until cancelled."""
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "missed":
                self.missed += message["count"]
            self.got += [_reading(event["data"]) for event in message.get("events", ())]


@contextlib.asynccontextmanager
async def live_client(gateway: Service) -> AsyncIterator[Live]:
    """A client that is subscribed to readings for the block."""
    port = gateway.environment["KAISER_GATEWAY_PORT"]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1") as http:
        answer = await http.post("/auth/login", json={"username": "admin", "password": PASSWORD})
        token = answer.raise_for_status().json()["tokens"]["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with websockets.connect(f"ws://127.0.0.1:{port}/ws", additional_headers=headers, max_size=None) as socket:
        await socket.send(json.dumps({"action": "subscribe", "filters": {"types": ["sensor_data"], "pending": True}}))
        for expected in ("authenticated", "subscribed"):
            assert json.loads(await socket.recv())["type"] == expected
        live = Live()
        listening = asyncio.create_task(live.listen(socket))
        try:
            yield live
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


def _reading(data: dict) -> Reading:
    clock = data["timestamp"] if data["time_source"] == "device" else 0
    identity = int(data["reading_id"]) if clock else 0
    return Reading(
        data["esp_id"], data["gpio"], data["sensor_type"], data["address"], int(data["raw"]), clock, identity
    )
