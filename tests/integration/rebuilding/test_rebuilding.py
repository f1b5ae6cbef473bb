"""Tables that were damaged by hand are rebuilt from archive and stream, beside, and put in place."""

import pytest
from tests.integration.rebuilding.site import ROWS, Site

from kaiser.service.rebuilding.running import DiffersError, RebuildError


async def test_rows_that_were_deleted_and_changed_are_as_the_log_says_again(site: Site) -> None:
    await site.record()
    await site.say(0, 60)
    await site.recorded(60 * ROWS)
    await site.archive_all()
    await site.say(60, 80)
    await site.recorded(80 * ROWS)
    whole = site.content()
    site.ask("DELETE FROM ingest.readings WHERE reading_id BETWEEN 100 AND 120")
    site.ask("UPDATE ingest.rollup_1m SET total = total + 1 WHERE bucket = (SELECT min(bucket) FROM ingest.rollup_1m)")
    site.ask("DELETE FROM ingest.latest WHERE sensor_id = (SELECT min(sensor_id) FROM ingest.latest)")
    with pytest.raises(DiffersError):
        await site.rebuild().rebuild()
    assert site.content() != whole
    assert any(line.startswith("readings: 21 rows differ") for line in site.said), site.said
    await site.rebuild().rebuild(accept_differences=True)
    assert site.content() == whole
    await site.say(80, 90)
    await site.recorded(90 * ROWS)
    assert site.ask("SELECT count(*) FROM ingest_old.readings") == [(80 * ROWS - 21,)]
    with pytest.raises(RebuildError, match="is kept from the last time"):
        await site.rebuild().rebuild()
