"""Readings and what belongs to them (wire contract, sections 4.1, 4.18, 5.7)."""

from typing import Annotated, ClassVar, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from kaiser.contracts.wire.fields import U32, Epoch, Fraction, Gpio, Id, Text

Quality = Literal["excellent", "good", "fair", "poor", "bad", "error", "stale", "suspect", "unknown"]


class SensorData(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reading, ``sensor/{gpio}/data``. Two values of one chip come on one topic, told apart by ``sensor_type``.

    Attributes:
        esp_id: Device.
        gpio: Pin as configured.
        sensor_type: What is measured, such as ``ds18b20`` or ``sht31_temp``.
        raw: Count of the sensor; unsigned wrap of ``dec`` is undone (32 bits, for DS18B20 also 16 bits).
        ts: Device clock, unix seconds; 0 where it is not set or cannot be right.
        raw_mode: Whether the server is to convert ``raw``; always true on ``dec``.
        zone_id: Zone that the device believes to be in; empty if none.
        subzone_id: Subzone of the sensor; empty if none.
        value: The device's own idea of the value; null where it sent ``nan`` or ``inf``, none, or an impossible count.
        unit: Unit of ``value``; empty where it sent none or one that is not a unit.
        quality: The device's grade; ``error`` where the count is impossible.
        seq: Number of the message since boot, ``head`` only.
        time_valid: Whether the device's clock is set, ``head`` only.
        onewire_address: ROM code, 16 hex digits.
        i2c_address: Bus address, such as 68.
    """

    ALIASES: ClassVar[dict[str, str]] = {"timestamp": "ts", "raw_value": "raw"}

    esp_id: Id
    gpio: Gpio
    sensor_type: str
    raw: Annotated[float, Meta(ge=-2_147_483_648, le=4_294_967_295)]
    ts: Epoch
    raw_mode: bool
    zone_id: Id = ""
    subzone_id: Id = ""
    value: Fraction | None = None
    unit: str = ""
    quality: str = "unknown"
    seq: U32 | None = None
    time_valid: bool | None = None
    onewire_address: Annotated[str, Meta(pattern="^[0-9A-Fa-f]{16}$")] | None = None
    i2c_address: Annotated[int, Meta(ge=0, le=127)] | None = None

    @property
    def address(self) -> str:
        """Bus address as text: OneWire ROM code, I2C address in decimal, or empty."""
        if self.onewire_address is not None:
            return self.onewire_address
        return "" if self.i2c_address is None else str(self.i2c_address)


class SensorResponse(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Answer to a measuring on demand, ``sensor/{gpio}/response``, ``head`` only; the reading itself comes as data.

    Attributes:
        request_id: The command's.
        gpio: Pin.
        success: Whether the device did what it was asked.
        ts: Unix seconds.
        raw: Count, where one was taken.
    """

    ALIASES: ClassVar[dict[str, str]] = {"timestamp": "ts"}

    request_id: Id
    gpio: Gpio
    success: bool
    command: Id = "measure"
    measurement_ok: bool | None = None
    publish_ok: bool | None = None
    timeout: bool | None = None
    reason_code: Id = ""
    quality: Id = ""
    sensor_type: Id = ""
    raw: Annotated[float, Meta(ge=-2_147_483_648, le=4_294_967_295)] | None = None
    ts: Epoch = 0
    seq: U32 | None = None
    intent_id: Id = ""
    correlation_id: Id = ""
    ttl_ms: U32 | None = None
    esp_id: Id | None = None


class OnewireDevice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One device on a OneWire bus: ROM code, type and pin."""

    rom_code: Id
    device_type: Id = ""
    pin: Gpio | None = None


class OnewireScanResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is on a OneWire bus, ``onewire/scan_result``, ``head`` only.

    The contract names the topic but no fields; these are what the firmware's source sends.
    """

    devices: Annotated[list[OnewireDevice], Meta(max_length=64)]
    found_count: U32 | None = None
    pin: Gpio | None = None
    seq: U32 | None = None
    ts: Epoch = 0
    esp_id: Id | None = None
    message: Text = ""


class SensorCommand(Struct, frozen=True, kw_only=True):
    """Asks for a reading now, ``sensor/{gpio}/command``, ``head`` only, at most 512 bytes.

    Attributes:
        request_id: Comes back in the answer; without it there is none.
        timeout_ms: 1 to 60,000.
    """

    request_id: str
    timeout_ms: int = 5000
    command: Literal["measure"] = "measure"
    correlation_id: str | UnsetType = UNSET
