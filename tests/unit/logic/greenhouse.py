"""A greenhouse for a day: sun, soil, air and what is switched in it; the same day for the same seed.

Rough physics, in steps of 30 s: the air follows sun, heater and vent, the soil dries with light and is wetted by the
pump. Values are rounded as sensors round them, so that no machine's sine is told from another's.
"""

import math
import random

from kaiser.contracts.events.logic import CommandAsked
from kaiser.contracts.events.safeguards import ActuatorRef, SensorRef
from kaiser.contracts.rules import (
    Alarm,
    AllOf,
    Command,
    Compare,
    CronTrigger,
    DuringHours,
    Hysteresis,
    Not,
    Place,
    Ramp,
    Rule,
    Silent,
    Sun,
    Sustained,
    Window,
)

from .builders import ESP, SECOND, Site, readings, status

MIDNIGHT = 1_777_420_800 * SECOND  # 2026-04-29 00:00 UTC
AIR = SensorRef(ESP, 4, "sht31_temp")
SOIL = SensorRef(ESP, 34, "moisture")
LIGHT = SensorRef(ESP, 35, "light")
PUMP, HEATER, VENT = ActuatorRef(ESP, 25), ActuatorRef(ESP, 26), ActuatorRef(ESP, 27)
BERLIN = {"time_zone": "Europe/Berlin", "place": Place(52.52, 13.405)}


def switch(actuator, word, **fields):
    return Command(actuator=actuator, command=word, **fields)


RULES = {
    "water": Rule(
        name="Water by day",
        condition=AllOf(
            conditions=(Hysteresis(sensor=SOIL, on_below=38.0, off_above=45.0, unit="%"), Sun(phase="day")),
        ),
        actions=(switch(PUMP, "ON"),),
        otherwise=(switch(PUMP, "OFF"),),
        priority=40,
        **BERLIN,
    ),
    "heat-night": Rule(
        name="Heat in the night",
        condition=AllOf(
            conditions=(Hysteresis(sensor=AIR, on_below=14.0, off_above=15.5), DuringHours(start="20:00", end="07:00")),
        ),
        actions=(switch(HEATER, "ON"),),
        otherwise=(switch(HEATER, "OFF"),),
        **BERLIN,
    ),
    "vent": Rule(
        name="Vent",
        condition=Sustained(condition=Compare(sensor=AIR, operator=">", value=26.0), for_s=300),
        actions=(Ramp(actuator=VENT, start=0.0, end=0.6, over_s=120, steps=3),),
        otherwise=(switch(VENT, "OFF"),),
        **BERLIN,
    ),
    "mist": Rule(
        name="A sip of water at noon unless it was dull",
        triggers=(CronTrigger(expression="0 12,14 * * *"),),
        condition=Not(condition=Window(sensor=LIGHT, aggregate="mean", over_s=3600, operator="<", value=20.0)),
        actions=(switch(PUMP, "ON", duration_s=45),),
        priority=60,
        **BERLIN,
    ),
    "quiet": Rule(
        name="The soil probe is silent",
        condition=Silent(sensor=SOIL, for_s=600),
        actions=(Alarm(do="raise", name="soil-silent", severity="error", message="no reading: {cause}"),),
        otherwise=(Alarm(do="clear", name="soil-silent"),),
    ),
}


class Greenhouse:
    """The physics."""

    def __init__(self, seed):
        self._chance = random.Random(seed)
        self.air, self.soil = 15.0, 41.0
        self.levels = {PUMP: 0.0, HEATER: 0.0, VENT: 0.0}
        self.cloud = 0.2

    def step(self, at):
        """Half a minute passes; sensor and value of each that measures."""
        hour = (at - MIDNIGHT) / SECOND / 3600 + 0.9
        self.cloud = min(0.9, max(0.0, self.cloud + self._chance.gauss(0, 0.01)))
        light = max(0.0, math.sin((hour - 6) / 14.5 * math.pi)) * (1 - self.cloud) * 100
        outside = 9 + 6 * math.sin((hour - 9) / 24 * 2 * math.pi)
        gain = light * 0.004 + self.levels[HEATER] * 0.12
        self.air += gain - (self.air - outside) * (0.008 + 0.05 * self.levels[VENT])
        self.soil += self.levels[PUMP] * 0.25 - 0.004 - light * 0.00012
        yield AIR, round(self.air + self._chance.gauss(0, 0.05), 2)
        yield SOIL, round(self.soil + self._chance.gauss(0, 0.1), 1)
        yield LIGHT, round(light, 0)


def a_day(seed):
    """A recorded day: a site whose log holds all that was stored and whose decisions were made live."""
    site, house, chance = Site(now=MIDNIGHT), Greenhouse(seed), random.Random(seed + 1)
    for rule_id, rule in RULES.items():
        site.define(rule, rule_id)
    for i in range(24 * 120):
        at = MIDNIGHT + (i + 1) * 30 * SECOND
        silent = 9 * 120 < i < 9 * 120 + 40  # the soil probe is unplugged for twenty minutes
        rows = [
            (sensor, value, {"measured_at": at - chance.randrange(3) * SECOND - 200_000})
            for sensor, value in house.step(at)
            if not (silent and sensor == SOIL)
        ]
        before = len(site.decisions)
        site.passes(at - site.now - 5)
        for row in rows:
            site.now += 1
            site.happens(readings(row, at=site.now), "TELEMETRY")
        _carry_out(site, house, before)
    return site


def _carry_out(site, house, before):
    """The devices do what was asked for."""
    done = before
    while asked := [each for each in site.decisions[done:] if isinstance(each, CommandAsked)]:
        done = len(site.decisions)
        for each in asked:
            actuator = ActuatorRef(each.esp_id, each.gpio)
            level = {"ON": 1.0, "OFF": 0.0, "PWM": each.level}[each.command]
            site.answers_to(each)
            site.now += 1
            house.levels[actuator] = level
            site.happens(status(actuator, level, site.now))
            if each.duration_s:
                house.levels[actuator] = 0.0
