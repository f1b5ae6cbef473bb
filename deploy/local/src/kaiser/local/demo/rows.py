"""The rows of the demo's readings, for the comparison at the end."""

from typing import Final

import psycopg

from kaiser.local.demo.verdict import ReadingContent
from kaiser.local.layout import Layout
from kaiser.local.postgres import OWNER, conninfo

STORED: Final = "SELECT coalesce(sum(stored), 0) FROM ingest.progress"
ROWS: Final = """
SELECT s.esp_id, s.gpio, s.sensor_type, s.address, r.device_ts, r.raw
FROM ingest.readings r JOIN ingest.sensors s USING (sensor_id)
WHERE r.received_at >= to_timestamp(%s / 1e6)
"""


def connect(layout: Layout) -> psycopg.Connection[tuple[object, ...]]:
    """A connection as the owner of all schemas."""
    password = layout.secrets.value(f"postgres-{OWNER}")
    return psycopg.connect(conninfo(port=layout.ports.postgres, user=OWNER, password=password), autocommit=True)


def stored(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    """Readings stored so far, of whatever fleet."""
    row = connection.execute(STORED).fetchone()
    return int(str(row[0])) if row else 0


def contents(connection: psycopg.Connection[tuple[object, ...]], *, since_us: int) -> list[ReadingContent]:
    """Every row that was received since then, by content."""
    return [ReadingContent(*row) for row in connection.execute(ROWS, (since_us,)).fetchall()]  # type: ignore[arg-type]
