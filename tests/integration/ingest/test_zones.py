"""Zones as lists show them: who is in them, what they are called, what is above them, who leads them."""

import itertools

import msgspec
import pytest

from kaiser.contracts.events.device import DeviceRegistered, DeviceSaid
from kaiser.contracts.events.registry import DeviceApproved, DeviceDescribed, DeviceRetired, ZoneOrdered, ZoneSettled
from kaiser.contracts.queries import DeviceQuery, ZonesQuery
from kaiser.eventlog import now_us
from kaiser.ingest.presence import Beat, Presence, heard
from kaiser.ingest.queries import Queries
from kaiser.ingest.standings import MANY_NEW, Standings
from kaiser.timescale import Pool


class Fleet:
    """Writes what devices say and what is decided about them, and asks."""

    def __init__(self, pool: Pool) -> None:
        self._presence, self._standings = Presence(pool), Standings(pool)
        self._queries = Queries(pool, lambda *_: None)
        self._seqs = itertools.count(1)

    async def decide(self, kind, esp_id, **fields) -> None:
        fact = kind(kaiser_id="god", esp_id=esp_id, at=now_us(), by="eva", **fields)
        await self._standings.write([(next(self._seqs), fact)])

    async def add(self, esp_id) -> None:
        fact = DeviceRegistered(kaiser_id="god", esp_id=esp_id, generation="head", registered_at=now_us())
        await self._standings.write([(next(self._seqs), fact)])
        await self.decide(DeviceApproved, esp_id)

    async def order(self, esp_id, zone_id, **fields) -> None:
        order = {"zone_name": zone_id.title(), "master_zone_id": "", "into_kaiser_id": "god"} | fields
        await self.decide(ZoneOrdered, esp_id, zone_id=zone_id, **order)

    async def say(self, esp_id, zone_id, master_zone_id="", at=None) -> None:
        beat = Beat(ts=0, uptime=1, heap_free=1, wifi_rssi=-60, zone_id=zone_id, master_zone_id=master_zone_id)
        said = DeviceSaid(kaiser_id="god", esp_id=esp_id, generation="head", received_at=at or now_us(), message=beat)
        await self._presence.write([heard(said)], "presence", next(self._seqs))

    async def zones(self, **question) -> list[tuple]:
        page = await self._queries.zones(ZonesQuery(**question), now_us())
        return [msgspec.structs.astuple(zone) for zone in page.items]

    async def device(self, esp_id):
        return await self._queries.device(DeviceQuery(esp_id=esp_id), now_us())


@pytest.fixture
async def fleet(database):
    pool = Pool(database)
    await pool.open()
    yield Fleet(pool)
    await pool.close()


async def test_a_zone_is_one_that_a_device_says_it_is_in_or_was_ordered_into(fleet):
    for esp_id in ("ESP_000001", "ESP_000002", "ESP_000003"):
        await fleet.add(esp_id)
    await fleet.say("ESP_000001", "attic", "house")  # of a time before there was a Kaiser
    await fleet.say("ESP_000002", "attic", "house", at=1_700_000_000_000_000)
    await fleet.order("ESP_000003", "cellar", zone_name="Cellar, left", master_zone_id="house")
    assert await fleet.zones() == [
        ("attic", "", "house", "", 2, 1, 0),
        ("cellar", "Cellar, left", "house", "", 0, 0, 1),
    ]
    await fleet.say("ESP_000003", "cellar", "house")
    await fleet.decide(ZoneSettled, "ESP_000003", zone_id="cellar", outcome="confirmed")
    assert (await fleet.zones())[1] == ("cellar", "Cellar, left", "house", "", 1, 1, 0)
    assert (await fleet.device("ESP_000003")).master_zone_id == "house"
    page = await fleet._queries.zones(ZonesQuery(limit=1), now_us())
    assert [zone.zone_id for zone in page.items] == ["attic"]
    assert [zone[0] for zone in await fleet.zones(cursor=page.next_cursor)] == ["cellar"]
    assert [zone[0] for zone in await fleet.zones(zone_id="cellar")] == ["cellar"]
    assert await fleet.zones(zone_id="roof") == []


async def test_of_those_that_were_told_to_lead_a_zone_the_last_one_does(fleet):
    one, other = "ESP_000001", "ESP_000002"
    for esp_id in (one, other):
        await fleet.add(esp_id)
        await fleet.order(esp_id, "attic", zone_master=True)
    assert [zone[3] for zone in await fleet.zones()] == [other]
    assert [(await fleet.device(esp_id)).zone_master for esp_id in (one, other)] == [False, True]
    await fleet.decide(DeviceRetired, other, reason="water")
    assert [zone[3] for zone in await fleet.zones()] == [one]
    assert (await fleet.device(one)).zone_master
    await fleet.order(one, "cellar")
    assert [zone[3] for zone in await fleet.zones()] == [""]


async def test_a_fleet_that_comes_at_once_is_listed_without_sorting_it(database, fleet, ask):
    facts = [
        DeviceRegistered(kaiser_id="god", esp_id=f"ESP_{number:06X}", generation="head", registered_at=now_us())
        for number in range(MANY_NEW)
    ]
    await fleet._standings.write(list(enumerate(facts, 1)))
    assert await ask("SELECT reltuples FROM pg_class WHERE oid = 'ingest.devices'::regclass") == [(MANY_NEW,)]


async def test_what_people_say_of_a_device_stays_until_they_say_otherwise(fleet):
    await fleet.add("ESP_0A1B2C")
    await fleet.decide(DeviceDescribed, "ESP_0A1B2C", firmware_version="4.2.1", mac_address="24:6F:28:0A:1B:2C")
    await fleet.order("ESP_0A1B2C", "attic")
    found = await fleet.device("ESP_0A1B2C")
    assert (found.firmware_version, found.mac_address) == ("4.2.1", "24:6F:28:0A:1B:2C")
    await fleet.decide(DeviceDescribed, "ESP_0A1B2C", firmware_version="4.3.0")
    found = await fleet.device("ESP_0A1B2C")
    assert (found.firmware_version, found.mac_address) == ("4.3.0", "")
