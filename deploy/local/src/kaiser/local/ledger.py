"""The ledger: every reading at every hop, from the broker's hand-over to the row, and what is in the dead letters.

It trusts no counter for the hops of the log and the database, because a counter dies with its process: it reads what is
there and compares by the readings' identities.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

import httpx
import msgspec
import psycopg
from prometheus_client.parser import text_string_to_metric_families

from kaiser.contracts import subjects
from kaiser.contracts.events.deadletter import DeadLetters
from kaiser.contracts.events.telemetry import RawReadings, Readings
from kaiser.contracts.streams import DEADLETTER, TELEMETRY, TELEMETRY_RAW
from kaiser.eventlog import EventLog, connect, replay
from kaiser.local.layout import Layout
from kaiser.local.nats import OPERATOR
from kaiser.local.ports import LOOPBACK
from kaiser.local.postgres import OWNER, conninfo

PATIENCE_S: Final = 15.0
"""How long readings may still be on their way before they count as missing."""

T = TypeVar("T")

Identity = tuple[int, int]
"""A finished reading's id and the time that counts, in unix microseconds; the key of its row."""

ROWS: Final = """
SELECT reading_id, (extract(epoch FROM measured_at) * 1000000)::bigint
FROM ingest.readings
WHERE received_at >= to_timestamp(%s / 1e6) AND received_at < to_timestamp(%s / 1e6)
"""


class Hops(msgspec.Struct, frozen=True, kw_only=True):
    """Readings that the bridge took in one span of time, by their identities.

    Attributes:
        raw: Ids in TELEMETRY_RAW, which are those that JetStream acknowledged to the bridge.
        finished: Identities in TELEMETRY.
        rows: Identities in the database.
        dead_letters: Dead letters of each service.
    """

    raw: frozenset[int]
    finished: frozenset[Identity]
    rows: frozenset[Identity]
    dead_letters: dict[str, int]

    @property
    def unfinished(self) -> frozenset[int]:
        """In the log as raw readings and never finished."""
        return self.raw - {reading_id for reading_id, _ in self.finished}

    @property
    def unstored(self) -> frozenset[Identity]:
        """Finished and not in the database."""
        return self.finished - self.rows

    @property
    def unexplained(self) -> frozenset[Identity]:
        """In the database and not in the log."""
        return self.rows - self.finished

    @property
    def balanced(self) -> bool:
        """Whether every hop holds what the one before it handed on, and nothing else."""
        return not (self.unfinished or self.unstored or self.unexplained)


async def hops_at_home(layout: Layout, *, since_us: int, until_us: int, patience_s: float = PATIENCE_S) -> Hops:
    """The hops of the suite of a home; see :func:`take_hops`."""
    url, password = f"nats://{LOOPBACK}:{layout.ports.nats}", layout.secrets.value(f"nats-{OPERATOR}")
    dsn = conninfo(port=layout.ports.postgres, user=OWNER, password=layout.secrets.value(f"postgres-{OWNER}"))
    async with await connect(url, name="ledger", user=OPERATOR, password=password) as log:
        return await take_hops(log, dsn, since_us=since_us, until_us=until_us, patience_s=patience_s)


async def take_hops(log: EventLog, dsn: str, *, since_us: int, until_us: int, patience_s: float = PATIENCE_S) -> Hops:
    """Read every hop of a running suite, again and again until all is where it belongs or patience runs out.

    Args:
        log: The event log, as somebody who may read TELEMETRY_RAW, TELEMETRY and DEADLETTER.
        dsn: The database, as somebody who may read readings; with the password.
        since_us: Readings that the bridge took then or later, unix microseconds.
        until_us: And before then.
        patience_s: Seconds.
    """
    deadline = time.monotonic() + patience_s
    while True:
        hops = await _look(log, dsn, since_us, until_us)
        if hops.balanced or time.monotonic() > deadline:
            return hops
        await asyncio.sleep(1.0)


async def _look(log: EventLog, dsn: str, since_us: int, until_us: int) -> Hops:
    refused: set[int] = set()  # messages of TELEMETRY_RAW that ingest put into the dead letters
    dead_letters: dict[str, int] = {}
    async for delivery in replay(log, DEADLETTER.name, subjects=(subjects.DEAD_LETTERS,), from_time_us=since_us):
        letters = msgspec.json.decode(delivery.data, type=DeadLetters)
        dead_letters[letters.service] = dead_letters.get(letters.service, 0) + len(letters.letters)
        refused.update(letter.stream_seq for letter in letters.letters if letter.stream == TELEMETRY_RAW.name)
    raw: set[int] = set()
    async for delivery in replay(log, TELEMETRY_RAW.name, from_time_us=since_us):
        if delivery.seq not in refused:
            batch = msgspec.json.decode(delivery.data, type=RawReadings)
            raw.update(_within(batch.reading_id, batch.received_at, since_us, until_us))
    finished: set[Identity] = set()
    async for delivery in replay(log, TELEMETRY.name, from_time_us=since_us):
        done = msgspec.json.decode(delivery.data, type=Readings)
        identities = zip(done.reading_id, done.measured_at, strict=True)
        finished.update(_within(identities, done.received_at, since_us, until_us))
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        rows = await (await connection.execute(ROWS, [since_us, until_us])).fetchall()
    return Hops(
        raw=frozenset(raw),
        finished=frozenset(finished),
        rows=frozenset((reading_id, measured_at) for reading_id, measured_at in rows),
        dead_letters=dead_letters,
    )


def _within(items: Iterable[T], received_at: Iterable[int], since_us: int, until_us: int) -> Iterator[T]:
    return (item for item, at in zip(items, received_at, strict=True) if since_us <= at < until_us)


class BrokerHop(msgspec.Struct, frozen=True, kw_only=True):
    """What the bridge counted since its start; its counters die with it.

    Attributes:
        handed_over: MQTT messages, by what became of them.
        acknowledged: MQTT messages whose events JetStream acknowledged.
        dropped: Messages that the broker says it dropped.
    """

    handed_over: dict[str, int]
    acknowledged: int
    dropped: int


async def take_broker_hop(url: str) -> BrokerHop:
    """Ask the bridge, by the URL of its health port, for its counters."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{url}/metrics")
    samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    single = {sample.name: int(sample.value) for sample in samples if not sample.labels}
    return BrokerHop(
        handed_over={
            sample.labels["outcome"]: int(sample.value)
            for sample in samples
            if sample.name == "kaiser_bridge_messages_total"
        },
        acknowledged=single.get("kaiser_bridge_acknowledged_messages_total", 0),
        dropped=single.get("kaiser_broker_dropped_messages", 0),
    )


def in_words(broker: BrokerHop, hops: Hops) -> str:
    """The ledger as lines of text."""
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(broker.handed_over.items())) or "none"
    letters = ", ".join(f"{count:,} by {service}" for service, count in sorted(hops.dead_letters.items())) or "none"
    balance = (
        "balanced"
        if hops.balanced
        else f"NOT BALANCED: {len(hops.unfinished):,} never finished, {len(hops.unstored):,} not stored,"
        f" {len(hops.unexplained):,} stored that are not in the log"
    )
    return "\n".join(
        [
            f"  messages handed over by the broker  {outcomes} (since the bridge's start)",
            f"  messages acknowledged by JetStream  {broker.acknowledged:,}",
            f"  messages dropped by the broker      {broker.dropped:,}",
            f"  readings in the log                 {len(hops.raw):,}",
            f"  readings finished                   {len(hops.finished):,}",
            f"  readings stored                     {len(hops.rows):,}",
            f"  dead letters                        {letters}",
            f"  ledger                              {balance}",
        ]
    )
