"""Proof D6: ten million readings are rebuilt while devices talk and people read, and not one read fails or is wrong.

``KAISER_REBUILD_READINGS`` is another number. Figures are printed (``-s``), and none is asserted.
"""

import asyncio
import os
import time

import msgspec
import pytest
from tests.integration.rebuilding.site import NOW_US, Site

from kaiser.contracts.queries import HistoryQuery, LatestQuery, Rollup
from kaiser.contracts.streams import STREAMS
from kaiser.eventlog import now_us
from kaiser.ingest.queries import Queries
from kaiser.timescale import Pool

READINGS = int(os.environ.get("KAISER_REBUILD_READINGS", "10000000"))
ROWS = 500
PER_S = 1000
"""Readings while it is rebuilt."""
READS_PER_S = 50
ASKED = {"esp_id": "ESP_0A1B2C", "gpio": 1, "sensor_type": "ds18b20", "pending": True}
SPAN = HistoryQuery(**ASKED, start=NOW_US, end=NOW_US + 3_600_000_000, resolution="1m")


class Load:
    """Readings and reads, at a steady rate, until told to stop.

    Attributes:
        said: Batches so far.
        took_s: How long each read took.
    """

    def __init__(self, site: Site, asked: Queries, said: int) -> None:
        self.said = said
        self.took_s: list[float] = []
        self._site = site
        self._asked = asked
        self._done = asyncio.Event()

    def stop(self) -> None:
        """Enough."""
        self._done.set()

    async def talk(self) -> None:
        """As devices do."""
        while not self._done.is_set():
            await self._site.say(self.said, self.said + 1, ROWS)
            self.said += 1
            await asyncio.sleep(ROWS / PER_S)

    async def read(self) -> None:
        """As people do: what was closed long ago is always the same, and the latest is never behind what it was."""
        closed, newest = await self._closed(), 0
        while not self._done.is_set():
            began = time.monotonic()
            assert await self._closed() == closed
            latest = await self._asked.latest(LatestQuery(**ASKED), now_us())
            self.took_s.append(time.monotonic() - began)
            assert latest.measured_at >= newest
            newest = latest.measured_at
            await asyncio.sleep(1 / READS_PER_S)

    async def _closed(self) -> list[Rollup]:
        """Minutes that no reading comes to any more; the last bits of a mean follow from the order of additions."""
        found = (await self._asked.history(SPAN, now_us())).rollups[5:20]
        return [msgspec.structs.replace(each, mean=round(each.mean or 0.0, 9)) for each in found]

    def p99_ms(self) -> float:
        """Of the reads since it was asked last."""
        took, self.took_s = sorted(self.took_s), []
        return 1000 * took[int(0.99 * len(took))]


async def _ends(site: Site) -> dict[str, int]:
    """Last sequences of all streams but those that devices fill here."""
    found = {info.config.name: int(info.state.last_seq) for info in await site.log.js.streams_info()}
    return {spec.name: found.get(spec.name, 0) for spec in STREAMS if not spec.name.startswith("TELEMETRY")}


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
async def test_all_of_it_is_rebuilt_under_load_without_a_failed_read(site: Site) -> None:
    batches = READINGS // ROWS
    await site.record()
    await site.say(0, batches, ROWS)
    await site.recorded(batches * ROWS, within_s=3600)
    await site.archive_all(within_s=3600)
    site.ask("ANALYZE ingest.readings")
    pool = Pool(site.database(), size=3, patience_s=60.0, statement_s=60.0)
    await pool.open()
    load, before = Load(site, Queries(pool, lambda *_: None), batches), await _ends(site)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(load.talk())
        tasks.create_task(load.read())
        await asyncio.sleep(10)
        alone_ms = load.p99_ms()
        began = time.monotonic()
        await site.rebuild().rebuild()
        took_s, rebuilding_ms = time.monotonic() - began, load.p99_ms()
        began = time.monotonic()
        await site.rebuild().go_back()
        back_s = time.monotonic() - began
        load.stop()
    assert "ingest and what the log says are equal" in site.said
    assert await _ends(site) == before  # nothing was commanded, and nobody told
    await site.recorded(load.said * ROWS)
    assert site.ask("SELECT sum(count) FROM ingest.rollup_1h") == [(load.said * ROWS,)]
    await site.rebuild().drop("_old")
    await site.rebuild().rebuild()  # from scratch, without load: equal, or it would refuse
    await pool.close()
    print("\n".join(site.said))
    print(
        f"{READINGS:,} readings rebuilt, compared and swapped in {took_s:.0f} s under {PER_S} readings a second and"
        f" {READS_PER_S} reads; p99 of a read {rebuilding_ms:.0f} ms, {alone_ms:.0f} ms before; back in {back_s:.1f} s"
    )
