"""Sunrise and sunset, by the formulas of NOAA's solar calculator (after Jean Meeus, Astronomical Algorithms, 1991).

Source: NOAA Global Monitoring Laboratory, Solar Calculation Details, https://gml.noaa.gov/grad/solcalc/calcdetails.html.
Right to a minute below 72 degrees of latitude. The edge is at 90.833 degrees from the zenith, for refraction and the
sun's own radius. Results are whole seconds, so that the last bit of a sine does not tell machines apart.
"""

from datetime import UTC, date, datetime
from functools import lru_cache
from math import acos, asin, cos, degrees, radians, sin, tan
from typing import Final

import msgspec

from kaiser.contracts.rules import Place
from kaiser.logic.times import SECOND

DAY: Final = 86_400 * SECOND
EDGE: Final = cos(radians(90.833))


class SunDay(msgspec.Struct, frozen=True, kw_only=True):
    """The sun between two midnights by itself; ``light`` says what it is where it does not cross the horizon.

    Attributes:
        starts: Twelve hours before its noon.
        ends: Twelve hours after it.
        sunrise: None where there is none.
        sunset: None where there is none.
        light: Whether the sun is up all day, where it neither rises nor sets.
    """

    starts: int
    ends: int
    sunrise: int | None
    sunset: int | None
    light: bool = False


@lru_cache(maxsize=4096)
def sun_day(day: date, place: Place) -> SunDay:
    """The sun of a day, whose noon is within half a day of noon UTC."""
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    noon = midnight + _noon(midnight + 43_200, place)
    starts, ends = (noon - 43_200) * SECOND, (noon + 43_200) * SECOND
    rise, light = _crossing(noon, place, -1)
    fall, _ = _crossing(noon, place, 1)
    if rise is None or fall is None:
        return SunDay(starts=starts, ends=ends, sunrise=None, sunset=None, light=light)
    return SunDay(starts=starts, ends=ends, sunrise=rise * SECOND, sunset=fall * SECOND)


def _crossing(noon: int, place: Place, side: int) -> tuple[int | None, bool]:
    """When the sun crosses the horizon before (-1) or after (1) noon; else whether it is above it."""
    at = float(noon)
    for _ in range(3):  # the sun moves on between noon and the horizon
        declination, equation = _sun(at)
        latitude = radians(max(-89.99, min(89.99, place.latitude)))
        share = EDGE / (cos(latitude) * cos(declination)) - tan(latitude) * tan(declination)
        if not -1 <= share <= 1:
            return None, share < -1
        midday = noon - noon % 86_400 + 60 * (720 - 4 * place.longitude - equation)
        midday += 86_400 * round((noon - midday) / 86_400)
        at = midday + side * 240 * degrees(acos(share))
    return round(at), True


def _noon(at: int, place: Place) -> int:
    _, equation = _sun(at)
    return round(60 * (720 - 4 * place.longitude - equation))


def _sun(at: float) -> tuple[float, float]:
    """Declination in radians, and the equation of time in minutes."""
    century = (at / 86_400 - 10_957.5) / 36_525  # since 2000-01-01 12:00, in days of the unix epoch
    longitude = radians((280.46646 + century * (36_000.76983 + century * 0.0003032)) % 360)
    anomaly = radians(357.52911 + century * (35_999.05029 - 0.0001537 * century))
    eccentricity = 0.016708634 - century * (0.000042037 + 0.0000001267 * century)
    centre = (
        sin(anomaly) * (1.914602 - century * (0.004817 + 0.000014 * century))
        + sin(2 * anomaly) * (0.019993 - 0.000101 * century)
        + sin(3 * anomaly) * 0.000289
    )
    node = radians(125.04 - 1934.136 * century)
    apparent = longitude + radians(centre - 0.00569 - 0.00478 * sin(node))
    mean = 23 + (26 + (21.448 - century * (46.815 + century * (0.00059 - century * 0.001813))) / 60) / 60
    obliquity = radians(mean + 0.00256 * cos(node))
    y = tan(obliquity / 2) ** 2
    equation = 4 * degrees(
        y * sin(2 * longitude)
        - 2 * eccentricity * sin(anomaly)
        + 4 * eccentricity * y * sin(anomaly) * cos(2 * longitude)
        - 0.5 * y * y * sin(4 * longitude)
        - 1.25 * eccentricity * eccentricity * sin(2 * anomaly)
    )
    return asin(sin(obliquity) * sin(apparent)), equation
