"""The rows of the demo's readings, for the comparison at the end."""

from typing import Any, Final

import psycopg

from kaiser.local.demo.verdict import ReadingContent
from kaiser.local.layout import Layout
from kaiser.local.postgres import OWNER, conninfo

ROWS: Final = """
SELECT s.esp_id, s.gpio, s.sensor_type, s.address, r.device_ts, r.raw
FROM ingest.readings r JOIN ingest.sensors s USING (sensor_id)
WHERE r.received_at >= to_timestamp(%s / 1e6)
"""


def contents(layout: Layout, *, since_us: int) -> list[ReadingContent]:
    """Every row that was received since then, by content, as the owner of all schemas sees it."""
    password = layout.secrets.value(f"postgres-{OWNER}")
    dsn = conninfo(port=layout.ports.postgres, user=OWNER, password=password)
    with psycopg.Connection[tuple[Any, ...]].connect(dsn) as connection:
        return [ReadingContent(*row) for row in connection.execute(ROWS, (since_us,)).fetchall()]
