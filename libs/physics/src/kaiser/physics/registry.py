"""Which family a sensor type belongs to: the built-in ones, and those of plug-in packages.

A plug-in is a package with an entry point of the group ``kaiser.sensor_families`` that names a :class:`Family`, or
several. It may add types and not replace any: which of two conversions a reading went through must not depend on
what else is installed.
"""

from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from kaiser.physics.bmp import BME280_HUMIDITY, BMP280_PRESSURE, BMP280_TEMP
from kaiser.physics.co2 import CO2
from kaiser.physics.dht import DHT11_HUMIDITY, DHT11_TEMP, DHT22_HUMIDITY, DHT22_TEMP
from kaiser.physics.ds18b20 import DS18B20
from kaiser.physics.ec import EC
from kaiser.physics.errors import FamilyClash, PluginError
from kaiser.physics.family import Family
from kaiser.physics.flow import FLOW
from kaiser.physics.generic import LINEAR, RAW, TABLE
from kaiser.physics.light import LIGHT
from kaiser.physics.moisture import MOISTURE
from kaiser.physics.ph import PH
from kaiser.physics.sht31 import SHT31_HUMIDITY, SHT31_TEMP

AnyFamily = Family[Any, Any]
"""Families differ in their parameters, which only they themselves look into."""

GROUP: Final = "kaiser.sensor_families"

_AIR: Final = (SHT31_TEMP, SHT31_HUMIDITY, DHT22_TEMP, DHT22_HUMIDITY, DHT11_TEMP, DHT11_HUMIDITY)
_WEATHER: Final = (BMP280_PRESSURE, BMP280_TEMP, BME280_HUMIDITY)
_ANALOG: Final = (PH, EC, MOISTURE, CO2, LIGHT)
BUILT_IN: Final[tuple[AnyFamily, ...]] = (DS18B20, *_AIR, *_WEATHER, *_ANALOG, FLOW, LINEAR, TABLE, RAW)


class Families:
    """Families by sensor type and by name."""

    def __init__(self) -> None:
        self._by_type: dict[str, AnyFamily] = {}
        self._by_name: dict[str, AnyFamily] = {}
        self._origin: dict[str, str] = {}

    def __iter__(self) -> Iterator[AnyFamily]:
        """All of them, built-in ones first."""
        return iter(self._by_name.values())

    def of(self, sensor_type: str) -> AnyFamily:
        """The family of a sensor type or of an alias of it; ``raw`` for a type that nobody knows."""
        return self._by_type.get(sensor_type) or self._by_type.get(sensor_type.lower(), RAW)

    def named(self, name: str) -> AnyFamily | None:
        """The family of this name, such as ``linear`` for a sensor whose type nobody knows."""
        return self._by_name.get(name)

    def add(self, family: AnyFamily, origin: str) -> None:
        """Add a family.

        Args:
            family: All of whose types are new.
            origin: Where it comes from, for the words of a clash.

        Raises:
            FamilyClash: If its name or one of its types is taken; nothing was added then.
        """
        if (taken := self._by_name.get(family.name)) is not None:
            raise _clash("family name", family.name, origin, self._origin[taken.name])
        for sensor_type in family.types:
            if (taken := self._by_type.get(sensor_type)) is not None:
                raise _clash("sensor type", sensor_type, origin, self._origin[taken.name])
        self._by_name[family.name] = family
        self._origin[family.name] = origin
        self._by_type.update(dict.fromkeys(family.types, family))


def families(plugins: Iterable[EntryPoint] | None = None) -> Families:
    """Built-in families, and those of plug-ins. Looks through installed packages, so do it once.

    Args:
        plugins: Entry points; None for those of the installed packages.

    Raises:
        FamilyClash: A plug-in claims what another, or Kaiser, has.
        PluginError: A plug-in cannot be loaded or offers something else.
    """
    found = Families()
    for family in BUILT_IN:
        found.add(family, "kaiser-physics")
    for plugin in entry_points(group=GROUP) if plugins is None else plugins:
        origin = _origin(plugin)
        for family in _load(plugin, origin):
            found.add(family, origin)
    return found


def _load(plugin: EntryPoint, origin: str) -> Iterable[AnyFamily]:
    """What an entry point offers."""
    try:
        offered = plugin.load()
    except Exception as error:  # whatever an import of foreign code can raise
        raise PluginError(f"Cannot load sensor families of {origin}: {type(error).__name__}: {error}") from error
    several = (offered,) if isinstance(offered, Family) else offered
    if not isinstance(several, list | tuple) or not all(isinstance(each, Family) for each in several):
        raise PluginError(f"What {origin} offers is no Family and no list of them, but {type(offered).__name__}.")
    return several


def _origin(plugin: EntryPoint) -> str:
    """The package and its entry point."""
    package = plugin.dist.name if plugin.dist is not None else "an unknown package"
    return f"{package} (entry point {plugin.name!r})"


def _clash(what: str, name: str, new: str, old: str) -> FamilyClash:
    """The sentence that says who claims what."""
    return FamilyClash(
        f"The {what} {name!r} of {new} is that of {old} already. Plug-ins add sensor types and replace none: "
        f"give it another name, or uninstall one of the two."
    )
