"""Devices that live on a suite, and a tap that sees every message between them and it."""

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, NamedTuple

import aiomqtt
import httpx
import websockets

from kaiser.contracts.downlink import check_downlink, downlink_qos
from kaiser.contracts.topics import DownlinkKind, DownlinkTopic, TopicError, UplinkKind, classify
from kaiser.contracts.uplink import Refused, decode_uplink
from kaiser.fleet.device import Broker, Device
from kaiser.fleet.sent import Sent
from kaiser.fleet.spec import DeviceSpec
from kaiser.local.ephemeral import PASSWORD, Mosquitto
from kaiser.local.ephemeral_services import Service

LIMIT_S: Final = 30.0
FAST: Final = 60.0
"""A minute of a device's life is a second of a test's."""


async def until(look: Callable[[], Awaitable[Any]], enough: Callable[[Any], bool], limit_s: float = LIMIT_S) -> Any:
    """What is seen, once it is enough."""
    seen: Any = None
    try:
        async with asyncio.timeout(limit_s):
            while not enough(seen := await look()):  # noqa: ASYNC110 - it happens in other processes
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(seen) from None
    return seen


async def now(value: Any) -> Any:
    """For :func:`until`, where what is looked at is in this process."""
    return value


class Seen:
    """What the API shows of one device."""

    def __init__(self, api: httpx.AsyncClient, esp_id: str) -> None:
        self.api = api
        self.esp_id = esp_id

    async def device(self) -> dict[str, Any] | None:
        """The device; None while it is not known."""
        answer = await self.api.get(f"/devices/{self.esp_id}")
        return answer.json() if answer.is_success else None

    async def config(self) -> dict[str, Any]:
        """What hangs on it."""
        return (await self.api.get(f"/devices/{self.esp_id}/config")).raise_for_status().json()

    async def latest(self, gpio: int, sensor_type: str) -> dict[str, Any] | None:
        """Its last reading of a sensor; None while there is none."""
        answer = await self.api.get(f"/sensors/{self.esp_id}/{gpio}/{sensor_type}/latest")
        return answer.json() if answer.is_success else None

    async def readings(self, gpio: int, sensor_type: str) -> list[dict[str, Any]]:
        """Its readings of a sensor."""
        path = f"/sensors/{self.esp_id}/{gpio}/{sensor_type}/history"
        answer = await self.api.get(path, params={"resolution": "raw", "limit": 2000})
        return answer.json()["readings"] if answer.is_success else []

    async def put(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """Order something about it."""
        return await self.api.put(f"/devices/{self.esp_id}/{path}", json=body)


@contextlib.asynccontextmanager
async def living(
    mosquitto: Mosquitto, api: httpx.AsyncClient, spec: DeviceSpec, *, time_scale: float = FAST, approve: bool = True
) -> AsyncIterator[tuple[Device, Seen]]:
    """A device that lives, and that somebody has approved."""
    broker = Broker(host=mosquitto.host, port=mosquitto.port, username="device", password=PASSWORD)
    device, seen = Device(spec, broker, Sent(), time_scale=time_scale), Seen(api, spec.esp_id)
    running = asyncio.create_task(device.run())
    try:
        await until(seen.device, lambda found: found is not None)
        if approve:
            (await api.post(f"/devices/{spec.esp_id}/approve", json={})).raise_for_status()
        yield device, seen
    finally:
        device.stop()
        await asyncio.wait((running,), timeout=5)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class Line(NamedTuple):
    """One message on the wire."""

    topic: str
    payload: bytes
    retain: bool


class Tap:
    """Every message that crosses the broker."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def to(self, esp_id: str, kind: DownlinkKind) -> list[dict[str, Any]]:
        """Messages of a kind to a device."""
        return [json.loads(line.payload) for line in self.lines if _is_to(classify(line.topic), esp_id, kind)]

    def faults(self, generations: dict[str, str]) -> list[str]:
        """What is wrong with any of them, by the wire contract.

        Args:
            generations: Firmware of each device.
        """
        wrong = []
        for line in self.lines:
            topic = classify(line.topic)
            if isinstance(topic, TopicError):
                wrong.append(f"{line}: {topic.detail}")
            elif isinstance(topic, DownlinkTopic):
                generation = generations.get(topic.esp_id, "both")
                qos = downlink_qos(topic.kind)  # the broker raises it to that of whoever subscribes
                reason = check_downlink(line.topic, line.payload, qos, line.retain, generation)
                wrong += [f"{line}: {reason}"] if reason else []
            elif line.payload:
                outcome = decode_uplink(line.topic, line.payload, retained=False)
                wrong += [f"{line}: {outcome}"] if isinstance(outcome, Refused) else []
        return wrong


def _is_to(topic: Any, esp_id: str, kind: DownlinkKind) -> bool:
    return isinstance(topic, DownlinkTopic) and (topic.esp_id, topic.kind) == (esp_id, kind)


@contextlib.asynccontextmanager
async def tapped(mosquitto: Mosquitto) -> AsyncIterator[Tap]:
    """A tap, from now on, over restarts of the broker. What a device says retained is seen as retained."""
    tap, listens = Tap(), asyncio.Event()

    async def listen() -> None:
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                await _listen(mosquitto, tap, listens)
            await asyncio.sleep(0.02)

    listening = asyncio.create_task(listen())
    try:
        await listens.wait()
        yield tap
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _listen(mosquitto: Mosquitto, tap: Tap, listens: asyncio.Event) -> None:
    client = aiomqtt.Client(
        mosquitto.host,
        mosquitto.port,
        username=mosquitto.username,
        password=mosquitto.password,
        protocol=aiomqtt.ProtocolVersion.V5,
    )
    async with client:
        options = aiomqtt.client.SubscribeOptions(qos=2, retainAsPublished=True, retainHandling=2)
        await client.subscribe("kaiser/#", options=options)
        listens.set()
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            tap.lines.append(Line(str(message.topic), message.payload, message.retain))


@contextlib.asynccontextmanager
async def watching(gateway: Service, api: httpx.AsyncClient, *types: str) -> AsyncIterator[list[dict[str, Any]]]:
    """What a WebSocket client that asked for these types gets, frame by frame."""
    frames: list[dict[str, Any]] = []
    address = f"ws://127.0.0.1:{gateway.environment['KAISER_GATEWAY_PORT']}/ws"
    async with websockets.connect(address, max_size=None) as socket:
        token = api.headers["Authorization"].removeprefix("Bearer ")
        await socket.send(json.dumps({"action": "authenticate", "token": token}))
        await socket.send(json.dumps({"action": "subscribe", "filters": {"types": types}}))

        async def listen() -> None:
            async for text in socket:
                frame = json.loads(text)
                if "events" in frame:
                    frames.append(frame)

        listening = asyncio.create_task(listen())
        yield frames
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


def by_kind(tap: Tap) -> dict[UplinkKind | DownlinkKind, list[Line]]:
    """The messages of a tap by what they are."""
    found: dict[UplinkKind | DownlinkKind, list[Line]] = defaultdict(list)
    for line in tap.lines:
        topic = classify(line.topic)
        if not isinstance(topic, TopicError):
            found[topic.kind].append(line)
    return found
