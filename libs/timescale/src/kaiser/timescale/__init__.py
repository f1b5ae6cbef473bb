"""TimescaleDB: pool, migrations, hypertables, retention, licence detection."""

from kaiser.timescale.arrays import float8_array, int8_array, timestamp_array
from kaiser.timescale.connecting import Database, Pool, PoolUse, connect, wait_for_database
from kaiser.timescale.errors import BadData, DatabaseAway, TimescaleError, translated
from kaiser.timescale.licence import Edition, read_edition
from kaiser.timescale.migrations import migrate
from kaiser.timescale.outage import outlast
from kaiser.timescale.retention import Lifetime, Retention
from kaiser.timescale.times import Instant

__all__ = (
    "BadData",
    "Database",
    "DatabaseAway",
    "Edition",
    "Instant",
    "Lifetime",
    "Pool",
    "PoolUse",
    "Retention",
    "TimescaleError",
    "connect",
    "float8_array",
    "int8_array",
    "migrate",
    "outlast",
    "read_edition",
    "timestamp_array",
    "translated",
    "wait_for_database",
)
