"""Devices whose clocks are an hour or a year off, or not set, while bridge and ingest are killed."""

import asyncio
import json
import time

import pytest

from kaiser.mqtt import QoS, Session

from .conftest import Suite, at_once
from .load import Device, fleet, under_load
from .stored import assert_each_stored_once, caught_up, rows, until

HOUR_S = 3600
YEAR_S = 365 * 86_400
OFF_S = {0x200000: 0, 0x300000: HOUR_S, 0x400000: -HOUR_S, 0x500000: YEAR_S, 0x600000: -YEAR_S}
"""First device id of each group, and how far its clocks are ahead."""
UNSET = 0x700000
A_GROUP = 20

DATED = """
SELECT DISTINCT substr(esp_id, 5, 1), time_source, flags FROM ingest.readings_in_words ORDER BY 1, 2, 3
"""
DATED_OTHERWISE = """
SELECT * FROM ingest.readings_in_words
WHERE measured_at <> CASE time_source WHEN 'server' THEN received_at ELSE to_timestamp(device_ts) END
"""


def _devices() -> list[Device]:
    groups = [fleet(A_GROUP, first=first, clock_off_s=off_s) for first, off_s in OFF_S.items()]
    return [device for group in [*groups, fleet(A_GROUP, first=UNSET, clock_set=False)] for device in group]


def _heartbeat(esp_id: str, ts: int) -> bytes:
    return json.dumps(
        {
            "esp_id": esp_id,
            "zone_id": "",
            "master_zone_id": "",
            "zone_assigned": False,
            "ts": ts,
            "time_valid": ts > 0,
            "boot_sequence_id": f"{esp_id}-b17-r1",
            "uptime": 6,
            "heap_free": 161200,
            "wifi_rssi": -55,
            "sensor_count": 5,
            "actuator_count": 0,
            "active_handover_epoch": 0,
        }
    ).encode()


async def _beat(suite: Suite) -> None:
    """A heartbeat of every device, and time for ingest to hear it."""
    mosquitto = suite.mosquitto
    async with Session(
        host=mosquitto.host,
        port=mosquitto.port,
        client_id="heartbeats",
        username=mosquitto.username,
        password=mosquitto.password,
    ) as session:
        for first, off_s in [*OFF_S.items(), (UNSET, None)]:
            for number in range(first, first + A_GROUP):
                esp_id = f"ESP_{number:06X}"
                ts = 0 if off_s is None else int(time.time()) + off_s
                await session.publish(
                    f"kaiser/god/esp/{esp_id}/system/heartbeat", _heartbeat(esp_id, ts), qos=QoS.AT_LEAST_ONCE
                )

    async def heard() -> bool:
        beaten = await rows(suite.postgres, "SELECT count(*) FROM ingest.devices WHERE beat_at > 'epoch'")
        return beaten == [(A_GROUP * (len(OFF_S) + 1),)]

    await until(heard)
    await asyncio.sleep(1)


KNOWN = {
    "2": [("device", "")],
    "3": [("server", "clock_implausible")],
    "4": [("server", "clock_skewed")],
    "5": [("server", "clock_implausible")],
    "6": [("server", "clock_implausible")],
    "7": [("server", "clock_unset")],
}
UNKNOWN = KNOWN | {"4": [("device", "late")], "6": [("server", "clock_implausible")]}
"""A reading an hour old may have been kept back for an hour: only heartbeats tell that a clock is slow."""


@pytest.mark.parametrize(
    ("heartbeats", "expected"), [(True, KNOWN), (False, UNKNOWN)], ids=["with-heartbeats", "without-heartbeats"]
)
async def test_readings_of_wrong_clocks_are_stored_once_and_say_whose_time_counts(
    suite: Suite, heartbeats: bool, expected: dict[str, list[tuple[str, str]]]
) -> None:
    if heartbeats:
        await _beat(suite)
    async with under_load(suite.mosquitto, _devices()) as load:
        await asyncio.sleep(1)
        await at_once(suite.bridge.kill)
        await at_once(suite.bridge.start)
        await asyncio.sleep(0.5)
        await at_once(suite.ingest.kill)
        began = time.monotonic()
        await at_once(suite.ingest.start)
        await caught_up(suite.postgres, load, since=began, what="wrong clocks, bridge and ingest killed")
    await assert_each_stored_once(suite.postgres, suite.log, load.acknowledged)
    dated: dict[str, list[tuple[str, str]]] = {}
    for group, source, flags in await rows(suite.postgres, DATED):
        dated.setdefault(group, []).append((source, flags))
    assert dated == expected
    assert await rows(suite.postgres, DATED_OTHERWISE) == []
