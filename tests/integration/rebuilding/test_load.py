"""While tables are rebuilt and swapped, there and back again, devices go on talking and people go on reading."""

import asyncio

import msgspec
from tests.integration.rebuilding.site import NOW_US, ROWS, Site

from kaiser.contracts.queries import HistoryQuery, LatestQuery, Reading, SensorsQuery
from kaiser.eventlog import now_us
from kaiser.ingest.queries import Queries
from kaiser.timescale import Pool

ASKED = {"esp_id": "ESP_0A1B2C", "gpio": 1, "sensor_type": "ds18b20", "pending": True}


async def test_no_read_fails_or_is_wrong_and_nothing_is_lost_or_doubled(site: Site) -> None:
    await site.record()
    await site.say(0, 40)
    await site.recorded(40 * ROWS)
    await site.archive_all()
    pool = Pool(site.database(), size=3, patience_s=60.0, statement_s=60.0)
    await pool.open()
    asked = Queries(pool, lambda *_: None)
    span = HistoryQuery(**ASKED, start=NOW_US, end=NOW_US + 1000 * 1_000_000, resolution="raw", limit=2000)

    async def history() -> list[Reading]:
        """What followed from the log at the beginning; when a row was written does not follow from it."""
        found = (await asked.history(span, now_us())).readings
        return [msgspec.structs.replace(each, stored_at=0) for each in found if each.reading_id < 40 * ROWS]

    expected = await history()
    newest, reads, said, done = 0, 0, 40, asyncio.Event()

    async def read() -> None:
        nonlocal newest, reads
        while not done.is_set():
            assert await history() == expected
            latest = await asked.latest(LatestQuery(**ASKED), now_us())
            assert latest.measured_at >= newest  # never behind what was read before
            newest = latest.measured_at
            assert len((await asked.sensors(SensorsQuery(pending=True), now_us())).items) == 7
            reads += 1

    async def talk() -> None:
        nonlocal said
        while not done.is_set():
            await site.say(said, said + 1)
            said += 1
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read())
        tasks.create_task(talk())
        await site.rebuild().rebuild()
        assert "ingest and what the log says are equal" in site.said
        for _ in range(3):
            await site.rebuild().go_back()
        done.set()
    await site.recorded(said * ROWS)
    assert reads > 0
    assert site.ask("SELECT sum(count), count(*) FILTER (WHERE count > 60) FROM ingest.rollup_1m") == [(said * ROWS, 0)]
    whole = site.content()
    await site.rebuild().drop("_old")
    await site.rebuild().rebuild()
    assert site.content() == whole
    await pool.close()
