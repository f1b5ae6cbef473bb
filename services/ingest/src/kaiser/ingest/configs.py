"""Wanted equipment as messages that a device takes, and what its answers mean (wire contract, 4.8, 5.2, 6.6). Pure.

A configuration goes out in parts, each small enough for the device, and each answered before the next one is sent:
first what it is to give up, then what it is to have. Items that it is known to have are left out, for an actuator that
is sent again falls to its default.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from kaiser.contracts import topics
from kaiser.contracts.downlink import HEAD_PACKET, WROOM_PACKET, XIAO_PACKET, downlink_qos, encode_downlink
from kaiser.contracts.events.device import Generation
from kaiser.contracts.events.downlink import DownlinkRequested
from kaiser.contracts.events.equipment import ConfigFault, ConfigOutcome, Equipment, WantedActuator, WantedSensor
from kaiser.contracts.events.registry import Board
from kaiser.contracts.topics import DownlinkKind
from kaiser.contracts.wire import ActuatorItem, ConfigResponse, DeviceConfig, IntentOutcome, OfflineRule, SensorItem
from kaiser.contracts.wire.sendable.configs import HEAD_MAX_BYTES
from kaiser.ingest.equipment import chip

ANSWER_WITHIN_US: Final = 25_000_000
"""A message that the device could not be given by then is not given any more; another one follows."""
PAUSES_S: Final = (15.0, 30.0, 60.0, 120.0, 240.0)
"""Between one try of a part and the next; after the last it stays unanswered until the device is back. The first is
short, for a device that has just connected has not subscribed to everything yet (section 3.2)."""
QUIET_S: Final = 5.0
"""After this without another answer a ``dec`` device has said all: it names what failed, not what worked beside it."""
NOT_SAVED: Final = "NVS_WRITE_FAILED"
BUSY: Final = frozenset({"QUEUE_FULL", "REPLAY_QUEUE_FULL", "OUTBOX_FULL", "WRITE_TIMEOUT"})
"""Answers of ``head`` that ask to be told again."""

_PACKET_OVERHEAD: Final = 10
_ENVELOPE: Final = 160
"""Bytes of the message around its items: correlation id, timestamp, names."""

Kind = Literal["sensor", "actuator"]


class Part(msgspec.Struct, frozen=True):
    """One message's share of a configuration."""

    sensors: tuple[SensorItem, ...] = ()
    actuators: tuple[ActuatorItem, ...] = ()
    offline_rules: tuple[OfflineRule, ...] | None = None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Kinds of items in it, in the order in which devices take them."""
        sensor: tuple[Kind, ...] = ("sensor",) if self.sensors else ()
        return (*sensor, "actuator") if self.actuators else sensor

    def gpios(self, kind: Kind) -> list[int]:
        """Pins of the items of a kind."""
        return [item.gpio for item in (self.sensors if kind == "sensor" else self.actuators)]


def parts(
    wanted: Equipment, removed: Equipment, board: Board | None, generation: Generation, room: int
) -> Sequence[Part]:
    """A configuration in as few messages as the device can take.

    Args:
        wanted: What it is to be told.
        removed: What it is to give up.
        board: None for unknown, which is taken for a WROOM.
        generation: Firmware.
        room: Bytes of the topic.
    """
    limit = XIAO_PACKET if board == "xiao_esp32c3" else WROOM_PACKET if generation == "dec" else HEAD_PACKET
    limit -= room + _PACKET_OVERHEAD + _ENVELOPE
    if generation == "head":
        limit = min(limit, HEAD_MAX_BYTES - _ENVELOPE)
    rules = None if wanted.offline_rules is None else tuple(wanted.offline_rules)
    given_up = _split(_items(removed, generation, active=False), limit)
    told = _split(_items(wanted, generation, active=True), limit)
    alone = () if rules is None else (Part(offline_rules=rules),)
    return (*given_up, *told, *alone)


def _items(equipment: Equipment, generation: Generation, *, active: bool) -> Iterator[SensorItem | ActuatorItem]:
    """Sensors and actuators in turn, so that a part holds both where it can: ``head`` waits for one of each (5.8)."""
    sensors = [_sensor(item, generation, active=active) for item in equipment.sensors]
    actuators = [_actuator(item, generation, active=active) for item in equipment.actuators]
    for i in range(max(len(sensors), len(actuators))):
        yield from sensors[i : i + 1]
        yield from actuators[i : i + 1]


def _split(items: Iterator[SensorItem | ActuatorItem], limit: int) -> Iterator[Part]:
    sensors: list[SensorItem] = []
    actuators: list[ActuatorItem] = []
    size = 0
    for item in items:
        needs = len(json.dumps(msgspec.to_builtins(item), separators=(",", ":"))) + 1  # in ASCII, as it is sent
        if size and size + needs > limit:
            yield Part(tuple(sensors), tuple(actuators))
            sensors, actuators, size = [], [], 0
        size += needs
        if isinstance(item, SensorItem):
            sensors.append(item)
        else:
            actuators.append(item)
    if size:
        yield Part(tuple(sensors), tuple(actuators))


def _sensor(sensor: WantedSensor, generation: Generation, *, active: bool) -> SensorItem:
    item = SensorItem(
        gpio=sensor.gpio,
        sensor_type=sensor.sensor_type,
        sensor_name=sensor.name,
        subzone_id=sensor.subzone_id,
        active=active,
        raw_mode=sensor.raw_mode,
    )
    if generation == "dec":
        return item
    onewire = "ds18b20" in sensor.sensor_type
    interface = "I2C" if chip(sensor) else "ONEWIRE" if onewire else "ANALOG"
    return msgspec.structs.replace(
        item,
        operating_mode=sensor.operating_mode,
        measurement_interval_seconds=sensor.interval_s,
        interface_type=interface,
        onewire_address=sensor.onewire_address or msgspec.UNSET,
        i2c_address=msgspec.UNSET if sensor.i2c_address is None else sensor.i2c_address,
    )


def _actuator(actuator: WantedActuator, generation: Generation, *, active: bool) -> ActuatorItem:
    runtime = actuator.max_runtime_s if generation == "head" else None
    # dec writes the default without regard to the inversion: with True an active-low relay starts off, and says that it
    # is on, so that every OFF and every stop works (sections 6.5, 9). head falls back to it when it is alone, and then
    # it would be on
    low = generation == "dec" and actuator.inverted and actuator.actuator_type in {"pump", "relay"}
    return ActuatorItem(
        gpio=actuator.gpio,
        actuator_type=actuator.actuator_type,
        actuator_name=actuator.name,
        subzone_id=actuator.subzone_id,
        active=active,
        aux_gpio=255 if actuator.aux_gpio is None else actuator.aux_gpio,
        critical=actuator.critical,
        inverted_logic=actuator.inverted,
        default_state=actuator.default_state or low,
        default_pwm=actuator.default_pwm,
        max_runtime_ms=msgspec.UNSET if runtime is None else runtime * 1000,
    )


def downlink(
    part: Part,
    kaiser_id: str,
    esp_id: str,
    generation: Generation,
    *,
    board: Board | None,
    correlation_id: str,
    now_us: int,
) -> DownlinkRequested:
    """The message that tells a device.

    Raises:
        DownlinkForbiddenError: The device would misread it.
    """
    kind = DownlinkKind.CONFIG
    topic = topics.downlink(kind, kaiser_id, esp_id)
    message = DeviceConfig(
        sensors=list(part.sensors),
        actuators=list(part.actuators),
        offline_rules=msgspec.UNSET if part.offline_rules is None else list(part.offline_rules),
        correlation_id=correlation_id,
        timestamp=now_us // 1_000_000,
    )
    limit = XIAO_PACKET if board == "xiao_esp32c3" else None
    return DownlinkRequested(
        kaiser_id=kaiser_id,
        esp_id=esp_id,
        topic=topic,
        payload=encode_downlink(topic, message, generation=generation, packet_limit=limit).decode(),
        qos=downlink_qos(kind),
        generation=generation,
        expires_at=now_us + ANSWER_WITHIN_US,
        correlation_id=correlation_id,
    )


class Hearing:
    """What a device has said of one part.

    Args:
        part: What it was told.
        generation: Its firmware.
        correlation_id: Of the message; only ``head`` gives it back.

    Attributes:
        faults: What it did not take.
        until_restart: Pins of sensors that it could not save.
        busy: It wants to be told again.
        answered: It said anything.
    """

    def __init__(self, part: Part, generation: Generation, correlation_id: str) -> None:
        self.faults: list[ConfigFault] = []
        self.until_restart: list[int] = []
        self.busy = False
        self.answered = False
        self._part = part
        self._generation = generation
        self._correlation_id = correlation_id
        self._open: list[Kind] = list(part.kinds)
        self._failed: dict[Kind, int] = {"sensor": 0, "actuator": 0}

    @property
    def complete(self) -> bool:
        """Whether it has spoken of every kind of item."""
        return self.answered and not self._open

    def hear(self, said: ConfigResponse) -> bool:
        """Take an answer in. Returns whether it is about this part.

        ``dec`` answers have no correlation id: the part in flight is the one that is meant, for there is one at a time.
        """
        if self._generation == "head":
            return self._hear_head(said)
        return self._hear_dec(said)

    def refuse(self, code: str, detail: str) -> None:
        """It never went out: the contract or the broker forbids it."""
        self.answered = True
        self._open.clear()
        self.faults.append(ConfigFault(kind="system", gpio=None, code=code, detail=detail))

    def conclude(self, said: IntentOutcome) -> bool:
        """Take in what a ``head`` device says of the message as a whole. Returns whether it is about this part.

        The answers for each kind say more, so this counts where there are none: offline rules, and refusals.
        """
        if self._generation == "dec" or said.correlation_id != self._correlation_id:
            return False
        if said.outcome in ("rejected", "failed", "expired"):
            self.answered = True
            if (code := said.code or said.outcome) in BUSY:
                self.busy = True
            elif not self.faults:
                self._open.clear()
                self.faults.append(ConfigFault(kind="system", gpio=None, code=code, detail=said.reason))
        elif said.outcome == "persisted" and not self._part.kinds:
            self.answered = True
        return True

    def _hear_head(self, said: ConfigResponse) -> bool:
        if said.correlation_id != self._correlation_id:
            return False
        self.answered = True
        if _code(said) in BUSY:
            self.busy = True
        elif said.type in ("sensor", "actuator"):
            self._close(said.type)
            self._note_failures(said, said.type)
        else:
            self._open.clear()
            self.faults.append(ConfigFault(kind="system", gpio=None, code=_code(said), detail=said.message))
        return True

    def _note_failures(self, said: ConfigResponse, kind: Kind) -> None:
        for failure in said.failures:
            code = failure.error or str(failure.error_code or "UNKNOWN_ERROR")
            self.faults.append(ConfigFault(kind=kind, gpio=failure.gpio, code=code, detail=failure.detail))
        if said.status in ("error", "failed") and not said.failures:
            self.faults.append(ConfigFault(kind=kind, gpio=None, code=_code(said), detail=said.message))

    def _hear_dec(self, said: ConfigResponse) -> bool:
        """One message an item that failed, and one for a kind of which every item worked."""
        if said.type not in ("sensor", "actuator"):
            return False
        kind: Kind = said.type
        gpios, code = self._part.gpios(kind), _code(said)
        if not gpios:
            return False  # MISSING_FIELD for a list that was empty, on purpose
        self.answered = True
        if kind == "actuator":
            self._close("sensor")  # they are taken before
        if said.status == "success":
            self._close(kind)
            return True
        gpio = (said.failed_item or {}).get("gpio")
        gpio = gpio if isinstance(gpio, int) else None
        if code == NOT_SAVED and kind == "sensor":
            self.until_restart.append(gpios[self._failed[kind] % len(gpios)] if gpio is None else gpio)
        else:
            self.faults.append(ConfigFault(kind=kind, gpio=gpio, code=code, detail=said.message))
        self._failed[kind] += 1
        unread = gpio is None and code in ("JSON_PARSE_ERROR", "MISSING_FIELD")
        if unread or self._failed[kind] >= len(gpios):
            self._close(kind)
        return True

    def _close(self, kind: Kind) -> None:
        if kind in self._open:
            self._open.remove(kind)


def _code(said: ConfigResponse) -> str:
    return str(said.error_code or ("" if said.status == "success" else "UNKNOWN_ERROR"))


class ConfigResult(NamedTuple):
    """What came of a configuration."""

    outcome: ConfigOutcome
    faults: list[ConfigFault]
    until_restart: list[int]


def outcome(faults: Sequence[ConfigFault], told: int) -> ConfigOutcome:
    """What came of a configuration of so many items."""
    if not faults:
        return "confirmed"
    everything = any(fault.kind == "system" or fault.gpio is None for fault in faults)
    return "refused" if everything or len(faults) >= told else "partly"
