"""The ledger, on a running bridge and ingest."""

import asyncio
import json
import time
from pathlib import Path

import aiomqtt
import psycopg
import pytest

from kaiser.eventlog import now_us
from kaiser.local.layout import Layout
from kaiser.local.ledger import hops_at_home, in_words, take_broker_hop
from kaiser.local.ports import free_ports
from kaiser.local.postgres import OWNER, conninfo
from kaiser.local.programs import SERVERS
from kaiser.local.suite import Suite
from kaiser.local.tree import Tree


@pytest.fixture
def suite(infra_tree: Tree, tmp_path: Path):
    suite = Suite(Layout(tmp_path, free_ports()), names=(*SERVERS, "bridge", "ingest"))
    try:
        suite.up()
        yield suite
    finally:
        suite.down()


async def _send(layout: Layout, payloads: list[bytes]) -> None:
    async with aiomqtt.Client(
        "127.0.0.1",
        layout.ports.mqtt,
        username="device",
        password=layout.secrets.value("mqtt-device"),
        identifier="ESP_0A1B2C",
    ) as device:
        for payload in payloads:
            await device.publish("kaiser/god/esp/ESP_0A1B2C/sensor/4/data", payload, qos=1)


def _reading(raw: int) -> bytes:
    reading = {"ts": int(time.time()), "esp_id": "ESP_0A1B2C", "gpio": 4, "sensor_type": "ds18b20", "raw": raw}
    return json.dumps(reading | {"raw_mode": True}).encode()


def _forget_one_row(layout: Layout) -> None:
    dsn = conninfo(port=layout.ports.postgres, user=OWNER, password=layout.secrets.value(f"postgres-{OWNER}"))
    with psycopg.connect(dsn) as connection:
        connection.execute("DELETE FROM ingest.readings WHERE raw = 303")


async def test_the_ledger_balances_and_shows_a_row_that_is_gone(suite: Suite) -> None:
    layout, since = suite.layout, now_us()
    await _send(layout, [*(_reading(300 + number) for number in range(50)), b"garbage"])

    hops = await hops_at_home(layout, since_us=since, until_us=now_us() + 1_000_000)
    while len(hops.rows) < 50 or not hops.dead_letters:  # a balance says nothing of what is still on its way
        hops = await hops_at_home(layout, since_us=since, until_us=now_us())

    assert hops.balanced
    assert (len(hops.raw), len(hops.finished), len(hops.rows)) == (50, 50, 50)
    assert hops.dead_letters == {"bridge": 1}
    assert "balanced" in in_words(await take_broker_hop(f"http://127.0.0.1:{layout.ports.bridge_health}"), hops)

    await asyncio.to_thread(_forget_one_row, layout)
    hops = await hops_at_home(layout, since_us=since, until_us=now_us(), patience_s=0)

    assert len(hops.unstored) == 1
    assert "NOT BALANCED" in in_words(await take_broker_hop(f"http://127.0.0.1:{layout.ports.bridge_health}"), hops)
