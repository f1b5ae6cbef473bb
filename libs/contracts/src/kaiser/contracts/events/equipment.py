"""Which sensors and actuators a device is to have, and what it made of that (wire contract, sections 4.8 and 5.2)."""

from typing import Annotated, ClassVar, Literal

import msgspec

from kaiser.contracts.events.decision import Decision
from kaiser.contracts.wire import OfflineRule
from kaiser.contracts.wire.actuators import ActuatorType

OperatingMode = Literal["continuous", "on_demand", "paused", "scheduled"]


class WantedSensor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sensor that a device is to have.

    Attributes:
        gpio: Pin; of an I2C sensor a number of its own, which is no pin.
        sensor_type: A specific name of the wire contract, section 8.1.
        name: What people call it.
        subzone_id: Subzone it is in; empty for none.
        onewire_address: ROM code of a OneWire probe, 16 hex digits; empty for the only one on its pin.
        i2c_address: 7 bits, such as 68; None for what is no I2C sensor.
        interval_s: Seconds between readings, 1 to 300. ``dec`` measures every 5 s whatever is said.
        operating_mode: ``head`` only; all but ``continuous`` keep the device from measuring by itself.
        raw_mode: Whether counts are sent.
    """

    gpio: int
    sensor_type: str
    name: str
    subzone_id: str = ""
    onewire_address: str = ""
    i2c_address: int | None = None
    interval_s: int = 30
    operating_mode: OperatingMode = "continuous"
    raw_mode: bool = True


class WantedActuator(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An actuator that a device is to have.

    Attributes:
        gpio: Pin.
        actuator_type: The firmware's own word (section 9).
        name: What people call it.
        subzone_id: Subzone it is in; empty for none.
        aux_gpio: Enable pin of a valve; None for none.
        critical: Handed to the device as it is.
        inverted: Whether the output is active low. The device ignores it when it starts (section 6.5).
        default_state: What the device holds it at by itself.
        default_pwm: 0 to 255.
        max_runtime_s: Handed to ``head`` devices, of which none enforces it (section 6.5).
    """

    gpio: int
    actuator_type: ActuatorType
    name: str
    subzone_id: str = ""
    aux_gpio: int | None = None
    critical: bool = False
    inverted: bool = False
    default_state: bool = False
    default_pwm: int = 0
    max_runtime_s: int | None = None


class Equipment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that hangs on a device.

    Attributes:
        sensors: At most 20.
        actuators: At most 12.
        offline_rules: What a ``head`` device does while it is alone; None leaves those that it has.
    """

    sensors: Annotated[list[WantedSensor], msgspec.Meta(max_length=20)] = []
    actuators: Annotated[list[WantedActuator], msgspec.Meta(max_length=12)] = []
    offline_rules: Annotated[list[OfflineRule], msgspec.Meta(max_length=8)] | None = None


NOTHING = Equipment()


class ConfigOrdered(Decision, frozen=True, kw_only=True):
    """The device is to have this equipment and no other. It is told so, in parts, until it has answered each.

    Attributes:
        wanted: All of it.
        removed: What it may still have and is to give up.
    """

    TYPE: ClassVar[str] = "io.kaiser.device.config_ordered.v1"
    EVENT: ClassVar[str] = "config_ordered"

    wanted: Equipment
    removed: Equipment = NOTHING


class ConfigLapsed(Decision, frozen=True, kw_only=True):
    """The device cannot have its equipment any more, and is told all of it again.

    Attributes:
        detail: What showed it.
    """

    TYPE: ClassVar[str] = "io.kaiser.device.config_lapsed.v1"
    EVENT: ClassVar[str] = "config_lapsed"

    detail: str


ConfigOutcome = Literal["confirmed", "partly", "refused", "unanswered"]


class ConfigFault(msgspec.Struct, frozen=True, kw_only=True):
    """An item that the device did not take, or takes with a reserve.

    Attributes:
        kind: Which list it is in; ``system`` for all of them.
        gpio: Pin as in the list; None where the device did not say.
        code: Of the device: ``MISSING_FIELD``, ``UNKNOWN_ERROR``, a number of section 18, …
        detail: In its words.
    """

    kind: Literal["sensor", "actuator", "system"]
    gpio: int | None
    code: str
    detail: str = ""


class ConfigSettled(Decision, frozen=True, kw_only=True):
    """What came of an order or of telling it again, whose correlation id it has.

    Attributes:
        outcome: ``unanswered`` after the last try; all else is the device's word.
        faults: What it did not take.
        until_restart: Pins of sensors that the device could not save, as ``dec`` says of each (section 6.6).
    """

    TYPE: ClassVar[str] = "io.kaiser.device.config_settled.v1"
    EVENT: ClassVar[str] = "config_settled"

    outcome: ConfigOutcome
    faults: list[ConfigFault] = msgspec.field(default_factory=list)
    until_restart: list[int] = msgspec.field(default_factory=list)
