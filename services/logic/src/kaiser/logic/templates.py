"""Rules that most greenhouses want, made from a few facts. Pure.

A template is a function with keyword arguments, each a fact about the place; what it makes is a rule like any other, to
be looked at, changed and tried on the past before it goes live.
"""

from collections.abc import Callable
from typing import Final

from kaiser.contracts.events.safeguards import ActuatorRef, SensorRef
from kaiser.contracts.rules import (
    Alarm,
    AllOf,
    AnyOf,
    Command,
    Compare,
    Condition,
    DeviceIs,
    DuringHours,
    Hysteresis,
    Not,
    Place,
    Ramp,
    Rule,
    Silent,
    Sun,
    Sustained,
)


def irrigation(
    *,
    soil: SensorRef,
    pump: ActuatorRef,
    dry: float = 30.0,
    wet: float = 45.0,
    rain: SensorRef | None = None,
    raining_above: float = 0.0,
) -> Rule:
    """Water while the soil is dry, and not while it rains.

    Args:
        soil: Moisture, in the unit of the thresholds.
        pump: What waters.
        dry: Begin below it.
        wet: Stop above it.
        rain: Rain gauge; None for none.
        raining_above: It rains above it.
    """
    condition: Condition = Hysteresis(sensor=soil, on_below=dry, off_above=wet)
    if rain is not None:
        raining = Compare(sensor=rain, operator=">", value=raining_above, fresh_s=1800)
        condition = AllOf(conditions=(condition, Not(condition=raining)))
    return Rule(
        name="Irrigation by soil moisture",
        condition=condition,
        actions=(Command(actuator=pump, command="ON"),),
        otherwise=(Command(actuator=pump, command="OFF"),),
        cooldown_s=300,
    )


def heating(
    *,
    air: SensorRef,
    heater: ActuatorRef,
    day: float = 20.0,
    night: float = 15.0,
    band: float = 1.0,
    day_start: str = "06:00",
    day_end: str = "21:00",
    time_zone: str = "UTC",
) -> Rule:
    """Heat to one temperature by day and to another by night.

    Args:
        air: Temperature.
        heater: What heats.
        day: Begin below it by day.
        night: Begin below it by night.
        band: Stop so much above that.
        day_start: When the day begins.
        day_end: When it ends.
        time_zone: IANA name, for both.
    """
    by_day = DuringHours(start=day_start, end=day_end)
    cold_day = Hysteresis(sensor=air, on_below=day, off_above=day + band)
    cold_night = Hysteresis(sensor=air, on_below=night, off_above=night + band)
    return Rule(
        name="Heating by day and night",
        condition=AnyOf(conditions=(AllOf(conditions=(by_day, cold_day)), cold_night)),
        actions=(Command(actuator=heater, command="ON"),),
        otherwise=(Command(actuator=heater, command="OFF"),),
        time_zone=time_zone,
    )


def venting(*, air: SensorRef, vent: ActuatorRef, hot: float = 26.0, cool: float = 23.0, over_s: int = 120) -> Rule:
    """Open the vent slowly while it is hot.

    Args:
        air: Temperature.
        vent: Of type pwm, or a valve.
        hot: Open above it.
        cool: Close below it.
        over_s: How long opening takes.
    """
    hot_air = Sustained(condition=Hysteresis(sensor=air, on_above=hot, off_below=cool), for_s=60)
    return Rule(
        name="Vent by temperature",
        condition=hot_air,
        actions=(Ramp(actuator=vent, start=0.0, end=1.0, over_s=over_s, steps=6),),
        otherwise=(Ramp(actuator=vent, end=0.0, over_s=over_s, steps=6),),
    )


def co2_dosing(*, co2: SensorRef, valve: ActuatorRef, place: Place, low: float = 800.0, high: float = 1000.0) -> Rule:
    """Dose CO2 in daylight only, from an hour after sunrise to an hour before sunset.

    Args:
        co2: In ppm.
        valve: What doses.
        place: For the sun.
        low: Begin below it.
        high: Stop above it.
    """
    light = Sun(phase="day", sunrise_offset_s=3600, sunset_offset_s=-3600)
    return Rule(
        name="CO2 in daylight",
        condition=AllOf(conditions=(light, Hysteresis(sensor=co2, on_below=low, off_above=high))),
        actions=(Command(actuator=valve, command="ON"),),
        otherwise=(Command(actuator=valve, command="OFF"),),
        place=place,
    )


def fault_alarm(*, sensor: SensorRef, silent_s: int = 900) -> Rule:
    """Raise an alarm where a sensor says nothing, or its device is gone; clear it when both are back.

    Args:
        sensor: Which.
        silent_s: After so long.
    """
    gone = DeviceIs(esp_id=sensor.esp_id, state="offline", for_s=120)
    return Rule(
        name="Fault alarm",
        condition=AnyOf(conditions=(Silent(sensor=sensor, for_s=silent_s), gone)),
        actions=(Alarm(do="raise", name="fault", severity="error", message="{rule}: {cause}"),),
        otherwise=(Alarm(do="clear", name="fault"),),
    )


TEMPLATES: Final[dict[str, Callable[..., Rule]]] = {
    "irrigation": irrigation,
    "heating": heating,
    "venting": venting,
    "co2_dosing": co2_dosing,
    "fault_alarm": fault_alarm,
}
"""By name."""
