"""History as files, over several pages."""

import csv
import io

import pytest
from pyarrow import parquet as pq

from kaiser.contracts import queries
from kaiser.gateway.api import export, parquet

QUERY = queries.HistoryQuery(esp_id="ESP_1", gpio=4, sensor_type="ds18b20", start=0, end=1, limit=2)
MINUTE = 60_000_000


def rollups(first: int) -> queries.History:
    found = [
        queries.Rollup(start=number * MINUTE, count=1, errors=0, minimum=1.0, maximum=2.0, mean=None, last=1.5)
        for number in (first, first + 1)
    ]
    return queries.History(sensor_id=1, unit="°C", resolution="1m", rollups=found)


def readings(first: int) -> queries.History:
    found = [
        queries.Reading(
            reading_id=number, measured_at=number * MINUTE, time_source="device", device_ts=1, received_at=5,
            stored_at=6, raw=352.0, value=None if number % 2 else 0.0, unit="°C", quality="good", zone_id="north",
            subzone_id="", pending=False, flags="late,wrapped",
        )
        for number in (first, first + 1)
    ]  # fmt: skip
    return queries.History(sensor_id=1, unit="°C", resolution="raw", readings=found)


@pytest.fixture(params=[rollups, readings])
def paged(request, monkeypatch):
    """Three pages of either kind."""

    async def ask(*arguments):
        first = int(arguments[3].cursor or 0)
        page = request.param(first)
        return queries.History(
            sensor_id=1,
            unit=page.unit,
            resolution=page.resolution,
            readings=page.readings,
            rollups=page.rollups,
            next_cursor=str(first + 2) if first < 4 else None,
        )

    monkeypatch.setattr(export, "ask", ask)

    async def paged(write) -> bytes:
        following = export.pages(None, QUERY)
        first = await anext(following)
        return b"".join([part async for part in write(first, following)])

    return paged


async def test_a_file_has_every_page_once_and_one_heading(paged):
    rows = list(csv.DictReader(io.StringIO((await paged(export._lines)).decode())))
    times = [row.get("start") or row["measured_at"] for row in rows]
    assert times == [f"1970-01-01T00:0{minute}:00Z" for minute in range(6)]


@pytest.mark.parametrize("group", [3, 20_000])
async def test_a_parquet_file_says_what_the_csv_says_with_types(paged, monkeypatch, group):
    monkeypatch.setattr(parquet, "GROUP", group)
    lines = list(csv.DictReader(io.StringIO((await paged(export._lines)).decode())))
    table = pq.read_table(io.BytesIO(await paged(parquet._groups)))
    rows = table.to_pylist()
    assert table.column_names == list(lines[0])
    assert str(table.schema.field(0).type) == "timestamp[us, tz=UTC]"
    for row, line in zip(rows, lines, strict=True):
        shown = {name: "" if value is None else str(value) for name, value in row.items()}
        for name in shown.keys() - {"start", "measured_at", "received_at"}:
            assert shown[name] == line[name]
        first = table.column_names[0]
        assert row[first].isoformat().replace("+00:00", "Z") == line[first]
