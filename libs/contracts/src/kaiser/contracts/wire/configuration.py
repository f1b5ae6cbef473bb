"""Sensors and actuators as devices are told to have them, and their answers (wire contract, sections 4.8, 5.2)."""

from typing import Annotated, Any, ClassVar, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from kaiser.contracts.wire.actuators import ActuatorType
from kaiser.contracts.wire.fields import U32, Epoch, Gpio, Id, Text


class ConfigFailure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One item that a ``head`` device could not take over."""

    type: Id = ""
    gpio: Gpio | None = None
    error_code: Id | int | None = None
    error: Id = ""
    detail: Text = ""


class ConfigResponse(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Answer to a configuration, ``config_response``: one a kind of item, and on ``dec`` one a failing item.

    ``dec`` sends neither device, time nor correlation id, and ``NVS_WRITE_FAILED`` for every sensor although the sensor
    works (section 6.6).

    Attributes:
        type: What was configured.
        count: Items that were taken over.
        error_code: A word such as ``MISSING_FIELD``.
        failed_item: The item as the device read it, perhaps cut short.
        failures: At most ten; ``total_failures`` tells how many there were.
    """

    ALIASES: ClassVar[dict[str, str]] = {"timestamp": "ts"}

    status: Literal["success", "error", "failed", "partial_success"]
    type: Literal["sensor", "actuator", "zone", "system"]
    count: U32 = 0
    message: Text = ""
    error_code: Id | int | None = None
    failed_item: dict[str, Any] | None = None  # what the device made of an item of ours
    failed_count: U32 = 0
    failures: Annotated[list[ConfigFailure], Meta(max_length=64)] = []
    failures_truncated: bool = False
    total_failures: U32 = 0
    correlation_id: Id = ""
    seq: U32 | None = None
    ts: Epoch = 0
    esp_id: Id | None = None


class SensorItem(Struct, frozen=True, kw_only=True):
    """One sensor of a configuration.

    Attributes:
        gpio: Pin; of an I2C sensor a number of its own.
        sensor_type: A specific name of section 8.1.
        active: False removes the sensor.
        onewire_address: 16 hex digits, case-sensitive.
        i2c_address: A number, such as 68.
        measurement_interval_seconds: 1 to 300, ``head`` only.
    """

    gpio: int
    sensor_type: str
    sensor_name: str
    subzone_id: str = ""
    active: bool = True
    raw_mode: bool = True
    operating_mode: Literal["continuous", "on_demand", "paused", "scheduled"] | UnsetType = UNSET
    measurement_interval_seconds: int | UnsetType = UNSET
    interface_type: str | UnsetType = UNSET
    onewire_address: str | UnsetType = UNSET
    i2c_address: int | UnsetType = UNSET


class ActuatorItem(Struct, frozen=True, kw_only=True):
    """One actuator of a configuration. Sending one again re-creates its driver: the output falls to its default.

    Attributes:
        aux_gpio: Enable pin of a valve; 255 is none.
        default_pwm: 0 to 255.
        max_runtime_ms: ``head`` only; no firmware enforces it (section 6.5).
    """

    gpio: int
    actuator_type: ActuatorType
    actuator_name: str
    subzone_id: str = ""
    active: bool = True
    aux_gpio: int = 255
    critical: bool = False
    inverted_logic: bool = False
    default_state: bool = False
    default_pwm: int = 0
    max_runtime_ms: int | UnsetType = UNSET


class TimeFilter(Struct, frozen=True, kw_only=True):
    """When an offline rule holds. Bit 0 of ``days_of_week_mask`` is Sunday."""

    enabled: bool
    start_hour: int
    start_minute: int
    end_hour: int
    end_minute: int
    days_of_week_mask: int = 127
    timezone: Literal["UTC", "Europe/Berlin"] = "UTC"


class OfflineRule(Struct, frozen=True, kw_only=True):
    """What a ``head`` device does by itself while it is alone. A threshold of 0 is unused."""

    actuator_gpio: int
    sensor_gpio: int
    sensor_value_type: str
    activate_below: float = 0
    deactivate_above: float = 0
    activate_above: float = 0
    deactivate_below: float = 0
    current_state_active: bool | UnsetType = UNSET
    time_filter: TimeFilter | UnsetType = UNSET


class DeviceConfig(Struct, frozen=True, kw_only=True):
    """A configuration, ``config``: items are merged by pin, absent ones are kept.

    Attributes:
        sensors: May be empty if there are actuators; ``dec`` then answers a ``MISSING_FIELD`` that means nothing.
        actuators: The same.
        offline_rules: Unset keeps the rules, an empty list clears them; ``head`` only, at most 8.
        correlation_id: Mandatory for ``head``.
        generation: Larger than the last one applied, or 0 or unset; ``head`` only. Unix seconds do.
    """

    sensors: list[SensorItem]
    actuators: list[ActuatorItem]
    offline_rules: list[OfflineRule] | UnsetType = UNSET
    correlation_id: str | UnsetType = UNSET
    intent_id: str | UnsetType = UNSET
    generation: int | UnsetType = UNSET
    timestamp: int | UnsetType = UNSET
