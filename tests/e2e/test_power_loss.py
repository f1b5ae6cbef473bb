"""A thousand devices behind one fuse: what their loss and their return cost, message by message."""

import asyncio
import json
import struct
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import httpx
import pytest

from kaiser.contracts.streams import DEVICES
from kaiser.contracts.topics import DownlinkKind, UplinkKind
from kaiser.eventlog import connect, replay
from kaiser.fleet.link import variable_length
from kaiser.local.ephemeral import PASSWORD

from .living import by_kind, now, tapped, until, watching

DEVICES_IN_ALL: Final = 1000
AT_ONCE: Final = 50
"""Connections that are being opened at one time, as an access point would let them in."""


def esp_id(number: int) -> str:
    return f"ESP_{0xF00000 + number:06X}"


def topic(number: int, suffix: str) -> str:
    return f"kaiser/god/esp/{esp_id(number)}/system/{suffix}"


def is_head(number: int) -> bool:
    return number % 2 == 1


def heartbeat(number: int, boot: int, uptime_s: int) -> bytes:
    """Even numbers are ``dec``, odd ones ``head``."""
    body: dict[str, Any] = {
        "esp_id": esp_id(number), "zone_id": "", "master_zone_id": "", "zone_assigned": False, "ts": int(time.time()),
        "uptime": uptime_s, "heap_free": 198_344, "wifi_rssi": -61, "sensor_count": 0, "actuator_count": 0,
    }  # fmt: skip
    if is_head(number):
        again = {"boot_sequence_id": f"{esp_id(number)}-b{boot}-r1", "reset_reason": "POWERON"}
        body |= {"time_valid": True, "active_handover_epoch": boot} | again
    return json.dumps(body).encode()


class Socket(asyncio.Protocol):
    """A device as the broker sees it: a connection with a last will, and no good-bye."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.accepted = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        will = {"status": "offline", "reason": "unexpected_disconnect", "timestamp": 0}
        fields = (esp_id(self.number), topic(self.number, "will"), json.dumps(will), "device", PASSWORD)
        flags = 0x80 | 0x40 | 0x20 | 0x08 | 0x04 | 0x02  # user, password, will: retained, QoS 1; clean session
        body = b"\x00\x04MQTT\x04" + struct.pack(">BH", flags, 60)
        body += b"".join(struct.pack(">H", len(field)) + field.encode() for field in fields)
        transport.write(b"\x10" + variable_length(len(body)) + body)

    def data_received(self, data: bytes) -> None:
        if not self.accepted.done():
            self.accepted.set_result(data[3])

    def say(self, suffix: str, payload: bytes) -> None:
        """Publish with QoS 0, as heartbeats are."""
        name = topic(self.number, suffix).encode()
        body = struct.pack(">H", len(name)) + name + payload
        assert self.transport is not None
        self.transport.write(b"\x30" + variable_length(len(body)) + body)


async def switched_on(mosquitto, boot: int, uptime_s: int) -> list[Socket]:
    """All devices, each with its first heartbeat."""
    gate, loop = asyncio.Semaphore(AT_ONCE), asyncio.get_running_loop()

    async def switch_on(number: int) -> Socket:
        async with gate:
            _, device = await loop.create_connection(lambda: Socket(number), mosquitto.host, mosquitto.port)
            assert await device.accepted == 0
            device.say("heartbeat", heartbeat(number, boot, uptime_s))
            return device

    return await asyncio.gather(*(switch_on(number) for number in range(DEVICES_IN_ALL)))


def cut(devices: Iterable[Socket]) -> None:
    """The fuse."""
    for device in devices:
        assert device.transport is not None
        device.transport.abort()


async def shown(api: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = (await api.get("/devices", params={"limit": 1000})).raise_for_status().json()
    return [device for device in answer["items"] if device["esp_id"].startswith("ESP_F")]


def told(frames: list[dict[str, Any]], status: str) -> Counter[str]:
    """How often a client was told so of each device."""
    events = (event["data"] for frame in frames for event in frame["events"])
    return Counter(data["esp_id"] for data in events if data["status"] == status)


async def written(nats_server) -> Counter[str]:
    """Events of the log about devices, by their last token."""
    async with await connect(nats_server.url, name="test") as log:
        return Counter([delivery.subject.rpartition(".")[2] async for delivery in replay(log, DEVICES.name)])


@pytest.mark.timeout(180)
async def test_a_thousand_devices_that_lose_power_at_once_and_come_back_at_once_make_no_storm(
    mosquitto, nats_server, gateway, api
) -> None:
    once = Counter({esp_id(number): 1 for number in range(DEVICES_IN_ALL)})
    heads = DEVICES_IN_ALL // 2
    async with tapped(mosquitto) as tap, watching(gateway, api, "esp_health") as frames:

        async def acks() -> int:
            return len(by_kind(tap)[DownlinkKind.HEARTBEAT_ACK])

        devices = await switched_on(mosquitto, 1, 600)
        await until(lambda: shown(api), lambda found: sum(d["online"] for d in found) == DEVICES_IN_ALL, 60)
        await until(acks, lambda count: count == heads, 60)
        await until(lambda: now(told(frames, "online")), lambda counts: counts == once, 60)
        tap.lines.clear()
        frames.clear()

        cut(devices)
        gone = await until(lambda: shown(api), lambda found: not any(d["online"] for d in found), 60)
        assert {d["offline_reason"] for d in gone} == {"unexpected_disconnect"}
        assert all(d["offline_since"] and d["losses"] == 1 and not d["flapping"] for d in gone)
        await until(lambda: now(told(frames, "offline")), lambda counts: counts == once, 60)
        assert [kind for kind in by_kind(tap) if isinstance(kind, DownlinkKind)] == [], "nobody calls after them"
        assert (await written(nats_server))["lost"] == DEVICES_IN_ALL
        tap.lines.clear()
        frames.clear()

        devices = await switched_on(mosquitto, 2, 1)
        back = await until(lambda: shown(api), lambda found: sum(d["restarts"] for d in found) == DEVICES_IN_ALL, 60)
        assert all(d["online"] and d["offline_since"] is None for d in back)
        await until(acks, lambda count: count == heads, 60)
        await until(lambda: now(set(told(frames, "online"))), lambda seen: seen == set(once), 60)
        wills = UplinkKind.LAST_WILL
        await until(lambda: now(len(by_kind(tap)[wills])), lambda cleared: cleared == DEVICES_IN_ALL, 60)
        assert {line.payload for line in by_kind(tap)[wills]} == {b""}, "what the broker kept of them is cleared"
        assert [kind for kind in by_kind(tap) if isinstance(kind, DownlinkKind)] == [DownlinkKind.HEARTBEAT_ACK]
        assert (await acks()) == heads, "one answer a heartbeat"
        events = await written(nats_server)
        assert (events["lost"], events["returned"], events["restarted"], events["silent"]) == (*[DEVICES_IN_ALL] * 3, 0)
        for device in devices:
            assert device.transport is not None
            device.transport.write(b"\xe0\x00")
            device.transport.close()
