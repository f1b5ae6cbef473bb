"""Which readings safety looks at."""

from kaiser.contracts import subjects
from kaiser.contracts.events.safeguards import ActuatorRef, AtMost, SensorBand, SensorRef
from kaiser.safety.readings import Few, Watched, chosen, watched

ESP = "ESP_0A1B2C"


def band(esp_id: str = ESP, *, fresh_s: int = 120) -> SensorBand:
    return SensorBand(ActuatorRef(ESP, 25), SensorRef(esp_id, 4, "ds18b20"), minimum=5.0, fresh_s=fresh_s)


def batch(*places: tuple[str, int, str]) -> Few:
    n = len(places)
    return Few(
        esp_id=[place[0] for place in places],
        gpio=[place[1] for place in places],
        sensor_type=[place[2] for place in places],
        address=[""] * n,
        value=[float(i) for i in range(n)],
        quality=["good"] * n,
        measured_at=[1] * n,
        received_at=[1] * n,
        pending=[False] * n,
    )


def test_nothing_is_followed_where_no_interlock_names_a_sensor():
    assert watched([AtMost(1, (ActuatorRef(ESP, 25), ActuatorRef(ESP, 26)))]) == Watched()


def test_only_the_partitions_of_named_sensors_are_followed_as_far_back_as_a_reading_may_be_old():
    found = watched([band(), band("ESP_0A1B2D", fresh_s=300)])
    parts = sorted({subjects.partition(ESP), subjects.partition("ESP_0A1B2D")})
    assert found.subjects == tuple(f"telemetry.reading.*.{part}" for part in parts)
    assert found.fresh_s == 300


def test_only_the_rows_of_named_sensors_are_taken():
    wanted = watched([band()]).places
    few = chosen(batch((ESP, 4, "ph"), (ESP, 4, "ds18b20"), ("ESP_0A1B2D", 4, "ds18b20")), wanted)
    assert few is not None
    assert few.value == [1.0]
    assert chosen(batch((ESP, 5, "ds18b20")), wanted) is None
