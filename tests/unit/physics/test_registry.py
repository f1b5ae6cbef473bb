from importlib.metadata import EntryPoint

import pytest

from kaiser.physics import RAW, FamilyClash, Linear, PluginError, families
from kaiser.physics.generic import LINEAR, LinearParameters
from kaiser.physics.registry import GROUP


def plugin(**names):
    """An entry point to something in this module, as an installed package would have it."""
    ((name, attribute),) = names.items()
    return EntryPoint(name=name, value=f"{__name__}:{attribute}", group=GROUP)


def made(name, *types):
    return type(LINEAR)(
        name=name,
        types=types,
        quantity="redox potential",
        unit="mV",
        valid=(-2000, 2000),
        parameters=LinearParameters,
        coefficients=Linear,
        convert=LINEAR.convert,
        signal=LINEAR.signal,
        fits=LINEAR.fits,
    )


ORP = made("orp", "orp", "orp_sensor")
TWO = [made("turbidity", "turbidity"), made("oxygen", "oxygen")]
THIEF = made("acme_ph", "ph")
NAMESAKE = made("ph", "acme_ph")
NOTHING = "a string"


@pytest.fixture(autouse=True)
def installed(monkeypatch, request):
    monkeypatch.setitem(__import__("sys").modules, __name__, request.module)


@pytest.mark.parametrize(
    ("sensor_type", "name"),
    [
        ("temperature_sht31", "sht31_temp"),
        ("sht31_temp", "sht31_temp"),
        ("humidity_sht31", "sht31_humidity"),
        ("sht31_humidity", "sht31_humidity"),
        ("sht31", "sht31_temp"),
        ("temperature_ds18b20", "ds18b20"),
        ("ds18b20", "ds18b20"),
        ("DS18B20", "ds18b20"),
        ("pressure_bmp280", "bmp280_pressure"),
        ("bmp280_pressure", "bmp280_pressure"),
        ("temperature_bmp280", "bmp280_temp"),
        ("bme280_temp", "bmp280_temp"),
        ("bme280_humidity", "bme280_humidity"),
        ("bmp280", "bmp280_pressure"),
        ("bme280", "bmp280_pressure"),
        ("ph_sensor", "ph"),
        ("ec_sensor", "ec"),
        ("soil_moisture", "moisture"),
        ("co2", "co2"),
        ("light", "light"),
        ("flow", "flow"),
        ("dht11_humidity", "dht11_humidity"),
    ],
)
def test_every_name_of_the_wire_contract_has_its_family(sensor_type, name):
    assert families(()).of(sensor_type).name == name


def test_a_type_that_nobody_knows_is_raw():
    found = families(()).of("tank_level")
    assert found is RAW
    assert found.unit_of() == "raw"


def test_a_family_can_be_had_by_name_for_such_a_type():
    found = families(())
    assert found.named("linear") is LINEAR
    assert found.named("no_such") is None


def test_a_plugin_adds_a_family_or_several():
    found = families([plugin(orp="ORP"), plugin(water="TWO")])
    assert found.of("orp_sensor") is ORP
    assert [found.of(name).name for name in ("turbidity", "oxygen")] == ["turbidity", "oxygen"]
    assert list(found)[-3:] == [ORP, *TWO]


def test_installed_packages_are_looked_through_by_default():
    assert families().of("ph").name == "ph"


def test_an_installed_package_is_found_by_its_entry_point(tmp_path, monkeypatch):
    (tmp_path / "acme_water.py").write_text(
        "import msgspec\nfrom kaiser.physics.generic import LINEAR\n"
        "WATER = msgspec.structs.replace(LINEAR, name='acme_water', types=('acme_water',))\n"
    )
    about = tmp_path / "acme_water-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-water\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[kaiser.sensor_families]\nwater = acme_water:WATER\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert families().of("acme_water").name == "acme_water"


@pytest.mark.parametrize(("attribute", "what"), [("THIEF", "sensor type"), ("NAMESAKE", "family name")])
def test_a_plugin_replaces_nothing_and_the_clash_names_both(attribute, what):
    with pytest.raises(FamilyClash) as clash:
        families([plugin(acme=attribute)])
    assert str(clash.value).startswith(
        f"The {what} 'ph' of an unknown package (entry point 'acme') is that of kaiser-physics already."
    )
    assert clash.value.code == "clash"


def test_two_plugins_cannot_have_one_type():
    with pytest.raises(FamilyClash, match=r"'second'.*'first'"):
        families([plugin(first="ORP"), plugin(second="ORP")])


@pytest.mark.parametrize(("attribute", "why"), [("NOTHING", "but str"), ("missing", "AttributeError")])
def test_a_plugin_that_offers_no_family_is_an_error_with_its_name(attribute, why):
    with pytest.raises(PluginError, match=f"'acme'.*{why}"):
        families([plugin(acme=attribute)])
