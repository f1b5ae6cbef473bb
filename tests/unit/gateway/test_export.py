"""History as CSV, over several pages."""

import csv
import io

from kaiser.contracts import queries
from kaiser.gateway.api import export

QUERY = queries.HistoryQuery(esp_id="ESP_1", gpio=4, sensor_type="ds18b20", start=0, end=1, limit=2)


def page(first: int, *, more: bool) -> queries.History:
    rollups = [
        queries.Rollup(start=number * 60_000_000, count=1, errors=0, minimum=1.0, maximum=2.0, mean=None, last=1.5)
        for number in (first, first + 1)
    ]
    cursor = str(first + 2) if more else None
    return queries.History(sensor_id=1, unit="°C", resolution="1m", rollups=rollups, next_cursor=cursor)


async def test_a_file_has_every_page_once_and_one_heading(monkeypatch):
    async def ask(*arguments):
        asked = arguments[3]
        return page(int(asked.cursor), more=asked.cursor == "2")

    monkeypatch.setattr(export, "ask", ask)
    text = b"".join([part async for part in export._lines(None, QUERY, page(0, more=True))]).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["start"] for row in rows] == [f"1970-01-01T00:0{minute}:00Z" for minute in range(6)]
    assert rows[0]["mean"] == ""
