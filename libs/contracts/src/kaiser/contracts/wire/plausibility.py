"""What of a reading can be trusted, and what takes the place of what cannot (wire contract, sections 2, 8).

A reading whose count is good is kept whatever is wrong around it. A count that the sensor cannot have is kept as
evidence, but graded ``error`` and without a value.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

QUALITIES: Final = frozenset({"excellent", "good", "fair", "poor", "bad", "error", "stale", "suspect", "unknown"})

_UNITS_SENT: Final = (
    ("", "raw", "%", "%RH", "pH", "V", "mV", "ppm", "lux", "L/min"),
    ("°C", "°F", "K", "hPa", "Pa", "mmHg", "inHg"),
    ("µS/cm", "mS/cm", "us_cm", "ms_cm"),
)
UNITS: Final = frozenset(unit for units in _UNITS_SENT for unit in units)
"""Units that devices send; others are read by :func:`is_unit`."""

CLOCK_FROM_S: Final = 1_700_000_000
CLOCK_TO_S: Final = 2_500_000_000
"""The firmware takes a time for real between these, so no other comes from a clock that was ever set (section 2)."""

MILLISECONDS_FROM: Final = 10_000_000_000
"""Above this a time is in milliseconds, as both upstream servers have it."""

DS18B20_FAULT: Final = -2032
"""-127 °C: the sensor does not answer."""

DS18B20_POWER_ON: Final = 1360
"""85 °C: what the sensor holds before its first conversion."""


class Counts(NamedTuple):
    """Counts of one sensor type.

    Attributes:
        ordinary_low: From here …
        ordinary_high: … to here nothing needs a second look.
        low: Outside of low …
        high: … to high no sensor of the type can be.
        bits16: Whether the count is a signed 16-bit number, which ``dec`` sends unsigned.
    """

    ordinary_low: float
    ordinary_high: float
    low: float
    high: float
    bits16: bool = False


_ADC: Final = Counts(0, 4095, 0, 4095)
_SHT31: Final = Counts(0, 65_535, 0, 65_535)
_BMP280: Final = Counts(0, 0xFF_FFFF, 0, 0xFF_FFFF)
_DS18B20: Final = Counts(-880, 1359, -32_768, 32_767, bits16=True)
_ANY: Final = Counts(-2_147_483_648, 2_147_483_647, -2_147_483_648, 2_147_483_647)

_KNOWN: Final[dict[str, Counts]] = {
    name: sensor
    for names, sensor in (
        ("ph ph_sensor ec ec_sensor moisture soil_moisture", _ADC),
        ("sht31 sht31_temp sht31_humidity temperature_sht31 humidity_sht31", _SHT31),
        ("bmp280 bme280 bmp280_pressure bmp280_temp pressure_bmp280 temperature_bmp280", _BMP280),
        ("ds18b20 temperature_ds18b20", _DS18B20),
    )
    for name in names.split()
}

_SENSOR_TYPE: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_UNIT: Final = re.compile(r"[\w°%/µμΩ·²³.^ -]{1,16}")


@lru_cache(maxsize=1024)
def counts(sensor_type: str) -> Counts | None:
    """Which counts a sensor type has; None for what is no sensor type at all.

    Types outside of section 8.1 are taken as given, if they are lower-case identifiers of at most 32 characters.
    """
    known = _KNOWN.get(sensor_type)
    if known is None and _SENSOR_TYPE.fullmatch(sensor_type):
        return _ANY
    return known


@lru_cache(maxsize=1024)
def is_unit(unit: str) -> bool:
    """Whether it can be a unit, and not markup or worse."""
    return unit in UNITS or _UNIT.fullmatch(unit) is not None


@lru_cache(maxsize=8192)
def is_label(text: str) -> bool:
    """Whether it can be a zone's id. ``dec`` takes free strings, but no operator's has control characters or tags."""
    return not text or (text.isprintable() and "<" not in text and ">" not in text)


def unwrap(raw: float, *, bits16: bool) -> float:
    """Undo what an unsigned counter made of a negative count (section 8.2)."""
    if raw > 2_147_483_647:
        raw -= 4_294_967_296
    if bits16 and 32_768 <= raw <= 65_535:
        raw -= 65_536
    return raw


def grade(raw: float, sensor: Counts) -> str | None:
    """``error`` for a count that no such sensor has, ``suspect`` for one that is seldom true, None for the rest."""
    if not sensor.low <= raw <= sensor.high or (sensor.bits16 and raw == DS18B20_FAULT):
        return "error"
    if sensor.bits16 and (raw == DS18B20_POWER_ON or not -880 <= raw <= 2000):
        return "suspect"
    return None


def unix_seconds(ts: int) -> int | None:
    """A device's time in unix seconds, 0 for a clock that is not set; None for one that cannot be right."""
    if ts > MILLISECONDS_FROM:
        ts //= 1000
    return ts if not ts or CLOCK_FROM_S <= ts <= CLOCK_TO_S else None
