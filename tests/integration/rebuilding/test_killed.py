"""A rebuild that is killed at any moment leaves what is in use alone, and goes on when it is called again."""

import asyncio
import contextlib

import psycopg
import pytest
from tests.integration.rebuilding.site import ROWS, Site, end, eventually

from kaiser.service.rebuilding.running import RebuildError


async def test_one_that_is_killed_while_it_builds_compares_or_swaps_goes_on(site: Site) -> None:
    await site.record()
    await site.say(0, 300)
    await site.recorded(300 * ROWS)
    await site.archive_all()
    whole = site.content()

    building = site.process("--rest", "5")
    position = "SELECT stream_seq FROM ingest_next.progress WHERE consumer = 'recorder'"
    await eventually(lambda: site.ask("SELECT to_regclass('ingest_next.progress') IS NOT NULL") == [(True,)])
    await eventually(lambda: site.ask(position) not in ([], [(300,)]))
    assert "is being rebuilt by somebody else" in str(await _refused(site))
    end(building)
    assert 0 < site.ask(position)[0][0] < 300

    comparing = site.process("--rest", "0")
    assert comparing.stdout is not None
    for line in iter(comparing.stdout.readline, ""):
        if "messages in" in line:
            break
    end(comparing)
    assert site.ask(position) == [(300,)]

    with psycopg.connect(site.postgres.dsn("kaiser_ingest")) as writer:
        writer.execute("UPDATE ingest.latest SET device_ts = device_ts")
        swapping = site.process()
        assert swapping.stdout is not None
        lines = []
        for line in iter(swapping.stdout.readline, ""):
            lines.append(line)
            if "not swapped yet" in line:
                break
        end(swapping)
        writer.rollback()
    assert any("is there already, and is gone on with" in line for line in lines), lines
    assert site.content() == whole
    assert site.ask("SELECT to_regnamespace('ingest_old') IS NULL") == [(True,)]

    await site.say(300, 310)
    await site.recorded(310 * ROWS)
    whole = site.content()
    finishing = site.process()
    said, _ = await asyncio.to_thread(finishing.communicate)
    assert finishing.returncode == 0, said
    assert site.content() == whole
    assert site.ask("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'ingest'") == [("kaiser_ingest",)]


async def _refused(site: Site) -> RebuildError:
    with pytest.raises(RebuildError) as refused:
        await site.rebuild().rebuild()
    return refused.value


async def test_commits_that_a_crash_of_the_database_takes_back_are_made_again_from_the_log(site: Site) -> None:
    """Commits of a rebuild do not wait for the disk, for their position is lost with them."""
    await site.record()
    await site.say(0, 200)
    await site.recorded(200 * ROWS)
    await site.stop()
    task = site.rebuild()
    building = asyncio.create_task(task.rebuild(accept_differences=True))
    await eventually(lambda: site.ask("SELECT to_regclass('ingest_next.progress') IS NOT NULL") == [(True,)])
    await eventually(lambda: site.ask("SELECT count(*) > 0 FROM ingest_next.readings") == [(True,)])
    site.postgres.kill()
    site.postgres.start()
    building.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await building
    whole = site.content()
    if site.ask("SELECT to_regnamespace('ingest_next') IS NOT NULL") == [(True,)]:
        await site.rebuild().rebuild()
    assert site.content() == whole
    assert site.ask("SELECT sum(count) FROM ingest.rollup_1h") == [(200 * ROWS,)]
