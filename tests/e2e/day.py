"""A day of a greenhouse in some minutes: what rules and people did to its outputs, and why, as the API tells it.

Each hour every device's soil goes dry, a rule of its own switches its pump on, somebody switches it off, and it
measures what it measures in an hour. Causes are looked for by the time at which the log stored them, so that a day
within minutes is harder to search than one within a day: there is more in every span.
"""

import asyncio
import base64
import contextlib
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any, Final, Self

import httpx
import msgspec

from kaiser.local.ephemeral import Mosquitto
from kaiser.mqtt import QoS, RetainHandling, Session, topic_filter

from .living import now, until

PUMP: Final = 25
SOIL: Final = 34
DRY, WET = 2900, 1100
FIRST_DEVICE: Final = 0xDA7000
AT_ONCE: Final = 8
"""Requests to the API at a time."""
BUSY_S: Final = 120.0
"""What the machine may take for something that takes milliseconds."""


class Change(msgspec.Struct, frozen=True):
    """A state change of an output, and all that one call says about it.

    Attributes:
        status: The event of the device's status.
        chain: The answer.
        took_s: How long it took.
    """

    status: dict[str, Any]
    chain: dict[str, Any]
    took_s: float

    @property
    def on(self) -> bool:
        """What it changed to."""
        return bool(self.status["data"]["message"]["state"])

    def sent(self) -> list[bytes]:
        """What devices sent, by its causes."""
        return [base64.b64decode(each["payload_base64"]) for cause in self.chain["causes"] for each in cause["sent"]]

    def root(self, kind: str) -> list[dict[str, Any]]:
        """Its causes that came of nothing else."""
        return [cause["event"] for cause in self.chain["causes"] if cause["root"] == kind]


class Day:
    """Devices behind one connection, each with a soil sensor, a pump and a rule.

    Args:
        mosquitto: The broker.
        api: The API, with somebody logged in.
        devices: How many.

    Attributes:
        said: What each device said, by topic.
    """

    def __init__(self, mosquitto: Mosquitto, api: httpx.AsyncClient, *, devices: int) -> None:
        self.ids = [f"ESP_{FIRST_DEVICE + number:06X}" for number in range(devices)]
        self.said: dict[str, list[bytes]] = defaultdict(list)
        self._api = api
        self._on: dict[str, bool] = {}
        self._free = asyncio.Semaphore(AT_ONCE)
        suffixes = (f"actuator/{PUMP}/command", "config")
        self._session = Session(
            host=mosquitto.host,
            port=mosquitto.port,
            client_id="a-day",
            username=mosquitto.username,
            password=mosquitto.password,
            subscriptions=[
                topic_filter(
                    f"kaiser/god/esp/+/{suffix}",
                    max_qos=QoS.AT_LEAST_ONCE,
                    retain_handling=RetainHandling.SEND_NEVER,
                )
                for suffix in suffixes
            ],
        )

    @contextlib.asynccontextmanager
    async def lived(self) -> AsyncIterator[Self]:
        """Devices that are known, approved and equipped, and a rule for each."""
        async with self._session:
            await self._session.wait_connected()
            tasks = [asyncio.create_task(self._obey()), asyncio.create_task(self._beat())]
            try:
                await asyncio.gather(*(self._introduce(esp) for esp in self.ids))
                yield self
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def hours(self, count: int, *, readings: int) -> None:
        """Let hours pass.

        Args:
            count: How many.
            readings: What each device measures in one, beside its soil.
        """
        for hour in range(count):
            for esp in self.ids:
                await self._measures(esp, DRY)
            for number in range(readings):
                for esp in self.ids:
                    await self._says(esp, f"sensor/{SOIL - 2}/data", _reading(esp, SOIL - 2, "ph", 1000 + number % 900))
            for esp in self.ids:
                await until(lambda esp=esp: now(self._on.get(esp)), bool, BUSY_S)
            await asyncio.gather(*(self._switch_off(esp, hour) for esp in self.ids))

    async def changes(self) -> list[Change]:
        """Every state change of every output, explained, one call each and one after the other."""
        found = []
        for esp in self.ids:
            before = None
            for status in await self._statuses(esp):
                state = status["data"]["message"]["state"]
                if state != before:
                    began = time.perf_counter()
                    answer = await self._api.get(f"/events/ACTUATORS/{status['seq']}/causes")
                    took_s = time.perf_counter() - began
                    found.append(Change(status, answer.raise_for_status().json(), took_s))
                before = state
        return found

    async def _statuses(self, esp: str) -> list[dict[str, Any]]:
        asked = {"aggregate": f"actuator/{esp}/{PUMP}", "type": "io.kaiser.actuator.status", "limit": 1000}
        found: list[dict[str, Any]] = []
        while True:
            page = (await self._api.get("/events", params=asked)).raise_for_status().json()
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            asked["cursor"] = page["next_cursor"]

    async def _introduce(self, esp: str) -> None:
        async with self._free:
            await until(lambda: self._api.get(f"/devices/{esp}"), lambda answer: bool(answer.is_success), BUSY_S)
            for method, path, body in (
                ("POST", "approve", {}),
                ("PUT", "config", {"actuators": [{"gpio": PUMP, "actuator_type": "pump", "name": "Pump"}]}),
            ):
                (await self._api.request(method, f"/devices/{esp}/{path}", json=body)).raise_for_status()
            limits = {"limits": {"max_on_s": None}, "reason": "a day within minutes"}
            (await self._api.put(f"/actuators/{esp}/{PUMP}/limits", json=limits)).raise_for_status()
            await self._command(esp, "OFF")
            await self._measures(esp, WET)
            sensor = {"esp_id": esp, "gpio": SOIL, "sensor_type": "moisture"}
            await until(
                lambda: self._api.get(f"/sensors/{esp}/{SOIL}/moisture/latest"),
                lambda answer: bool(answer.is_success),
                BUSY_S,
            )
            rule = {
                "name": f"water {esp}",
                "condition": {"kind": "compare", "sensor": sensor, "operator": "<", "value": 50.0},
                "actions": [{"kind": "command", "actuator": {"esp_id": esp, "gpio": PUMP}, "command": "ON"}],
            }
            body = {"rule": rule, "reason": "a day", "enable": True, "expected_version": 0}
            answer = await self._api.put(f"/rules/water-{esp.lower().replace('_', '-')}", json=body)
            assert answer.is_success, answer.text

    async def _switch_off(self, esp: str, hour: int) -> None:
        async with self._free:
            await until(
                lambda: self._api.get(f"/actuators/{esp}/{PUMP}"),
                lambda answer: bool(answer.is_success and (answer.json()["reported"] or {}).get("level") == 1.0),
                BUSY_S,
            )
            await self._measures(esp, WET + hour)
            await self._command(esp, "OFF")

    async def _command(self, esp: str, word: str) -> None:
        path = f"/actuators/{esp}/{PUMP}/command"
        answer = await self._api.post(path, params={"wait": 30}, json={"command": word})
        assert answer.json().get("state") == "succeeded", answer.text

    async def _measures(self, esp: str, raw: int) -> None:
        await self._says(esp, f"sensor/{SOIL}/data", _reading(esp, SOIL, "moisture", raw))

    async def _beat(self) -> None:
        uptime = 60
        while True:
            for esp in self.ids:
                beat = {
                    "esp_id": esp, "zone_id": "", "master_zone_id": "", "zone_assigned": False, "ts": int(time.time()),
                    "uptime": uptime, "heap_free": 198_344, "wifi_rssi": -61, "sensor_count": 2, "actuator_count": 1,
                }  # fmt: skip
                await self._says(esp, "system/heartbeat", beat)
            await asyncio.sleep(30)
            uptime += 30

    async def _obey(self) -> None:
        async for batch in self._session.batches():
            self._session.acknowledge(batch)
            for message in batch:
                _, _, _, esp, *rest = message.topic.split("/")
                if rest[-1] == "command":
                    on = self._on[esp] = json.loads(message.payload)["command"] == "ON"
                    await self._tell(esp, on=on)
                else:
                    for kind in ("sensor", "actuator"):
                        done = {"status": "success", "type": kind, "count": 1, "message": "Configured"}
                        await self._says(esp, "config_response", done)

    async def _tell(self, esp: str, *, on: bool) -> None:
        status = {
            "esp_id": esp, "zone_id": "", "subzone_id": "", "ts": int(time.time()), "gpio": PUMP, "type": "pump",
            "state": on, "pwm": 255 * on, "runtime_ms": 0, "emergency": "normal",
        }  # fmt: skip
        await self._says(esp, f"actuator/{PUMP}/status", status)

    async def _says(self, esp: str, suffix: str, body: dict[str, Any]) -> None:
        topic, payload = f"kaiser/god/esp/{esp}/{suffix}", json.dumps(body, separators=(",", ":")).encode()
        self.said[topic].append(payload)
        await self._session.publish(topic, payload, qos=QoS.AT_MOST_ONCE)


def _reading(esp: str, gpio: int, kind: str, raw: int) -> dict[str, Any]:
    return {
        "esp_id": esp, "zone_id": "", "subzone_id": "", "gpio": gpio, "sensor_type": kind, "raw": raw, "value": 0.0,
        "unit": "raw", "quality": "good", "ts": int(time.time()), "raw_mode": True,
    }  # fmt: skip
