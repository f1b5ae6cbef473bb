"""Who a sensor is, and how its counts become a physical value. Pure.

A sensor is told by device, pin, type and address: two probes of one type share a pin (OneWire), and one pin carries two
types (SHT31). The conversion is that of its family in :mod:`kaiser.physics`, with its parameters and its calibration.
"""

from typing import Final

import msgspec
import xxhash

from kaiser.contracts.events.calibration import SensorKey
from kaiser.ingest import setups
from kaiser.ingest.sensor_directory import SensorDirectory
from kaiser.ingest.setups import Reader, reader_at
from kaiser.physics import Conversion, Families
from kaiser.physics.family import CELSIUS, Scale

Facet = tuple[str, int, str, str]
"""Device, pin, type, address."""

_POSITIVE: Final = (1 << 63) - 1
_MOST_SENSORS: Final = 200_000


class Sensor(msgspec.Struct, frozen=True):
    """What the converter needs of one sensor.

    Attributes:
        sensor_id: Identity, 63 bits.
        unit: Unit of the converted value.
        convert: Count and temperature of compensation to value; None where nobody knows more than the count.
        plain: Whether that is all there is to it: one reader for all times, no temperature given or taken.
        readers: How it is read at each time, oldest first.
        warms: How its values become °C, if another sensor is compensated by them.
    """

    sensor_id: int
    unit: str
    convert: Conversion | None
    plain: bool = True
    readers: tuple[Reader, ...] = ()
    warms: Scale | None = None

    def reader(self, at: int) -> Reader:
        """How it is read at a measured time, unix microseconds."""
        return reader_at(self.readers, at)


def sensor_id(esp_id: str, gpio: int, sensor_type: str, address: str) -> int:
    """Identity of a sensor, 63 bits, the same in every process and release."""
    return xxhash.xxh3_64_intdigest(f"{esp_id}/{gpio}/{sensor_type}/{address}".encode()) & _POSITIVE


class Sensors(dict[Facet, Sensor]):
    """Sensors by facet, made when first asked for; forgets all at a bound that only a hostile device reaches."""

    def __init__(self, known: Families, directory: SensorDirectory | None = None) -> None:
        """Know no sensor yet.

        Args:
            known: Families by sensor type.
            directory: Parameters and calibrations; None where nobody has set any. When it learns of others for a
                sensor, that is made anew.
        """
        super().__init__()
        self._known = known
        self._directory = SensorDirectory() if directory is None else directory
        self._directory.on_changed.append(self._forget)

    def __missing__(self, facet: Facet) -> Sensor:
        """Make a sensor."""
        if len(self) >= _MOST_SENSORS:
            self.clear()
        made = self[facet] = self._made(facet)
        return made

    def peek(self, facet: Facet) -> Sensor:
        """A sensor, without remembering it for whoever asks."""
        return self.get(facet) or self._made(facet)

    def _made(self, facet: Facet) -> Sensor:
        esp_id, gpio, sensor_type, address = facet
        key = SensorKey(gpio=gpio, sensor_type=sensor_type, address=address)
        found = setups.readers(self._known, sensor_type, self._directory.setups(esp_id, key))
        readers = tuple(self._with_source(esp_id, reader) for reader in found)
        newest, warms = readers[-1], self._directory.warms(esp_id, key)
        return Sensor(
            sensor_id=sensor_id(*facet),
            unit=newest.unit,
            convert=newest.convert,
            plain=len(readers) == 1 and not newest.source and not warms,
            readers=readers,
            warms=CELSIUS.get(newest.unit) if warms else None,
        )

    def _forget(self, esp_id: str, key: SensorKey) -> None:
        self.pop((esp_id, key.gpio, key.sensor_type, key.address), None)

    @staticmethod
    def _with_source(esp_id: str, reader: Reader) -> Reader:
        if (source := reader.compensate_from) is None:
            return reader
        number = sensor_id(esp_id, source.gpio, source.sensor_type, source.address)
        return msgspec.structs.replace(reader, source=number)
