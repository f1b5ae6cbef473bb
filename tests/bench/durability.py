"""What durability costs: one NATS that syncs now and then, one that syncs each write, and three that keep three copies.

    python tests/bench/durability.py [--rounds 5] [--events 2000] [--folder DIR]

Each server does the same in turn, round after round, so that a busy machine is busy for all of them: events one at a
time, as decisions are written, and in calls of many, as the bridge writes. Printed are medians over the rounds, and the
ratio to one server that syncs now and then.
"""

import argparse
import logging
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Final, NamedTuple

import structlog
import uvloop

from kaiser.contracts.streams import StreamSpec
from kaiser.eventlog import Event, EventLog, connect, ensure_streams, keep_copies
from kaiser.local.ephemeral import Nats
from kaiser.local.nats_cluster import NatsCluster, Where

FACTS: Final = StreamSpec(name="FACTS", subjects=("fact.>",))
CALL: Final = 100
SIZE: Final = 500
BATCHES: Final = ((SIZE, "events of 500 B"), (20_000, "record batches of 20 kB"))


class Figures(NamedTuple):
    """Of one round on one server: seconds of each single event, and messages a second in calls of many."""

    single_s: list[float]
    rates: dict[str, float]


def _events(count: int, size: int) -> list[Event]:
    body = b'"' + b"x" * (size - 2) + b'"'
    return [Event(subject="fact.a", type="io.kaiser.bench.v1", data=body, source="kaiser/bench") for _ in range(count)]


async def _round(log: EventLog, events: int) -> Figures:
    single_s = []
    for event in _events(events // 10, SIZE):
        began = time.perf_counter()
        await log.publish(event)
        single_s.append(time.perf_counter() - began)
    rates = {}
    for size, what in BATCHES:
        count = events if size == SIZE else events // 10
        todo = _events(count, size)
        began = time.perf_counter()
        for start in range(0, count, CALL):
            await log.publish_all(todo[start : start + CALL])
        rates[what] = count / (time.perf_counter() - began)
    await log.js.purge_stream(FACTS.name)
    return Figures(single_s, rates)


async def measure(servers: dict[str, Nats | NatsCluster], *, rounds: int, events: int) -> dict[str, list[Figures]]:
    """Every server in turn, round after round."""
    found: dict[str, list[Figures]] = defaultdict(list)
    for server in servers.values():
        keep_copies(server.replicas)
        async with await connect(server.url, name="bench") as log:
            await ensure_streams(log, (FACTS,))
            await _round(log, events)  # to get warm
    for _ in range(rounds):
        for name, server in servers.items():
            async with await connect(server.url, name="bench") as log:
                found[name].append(await _round(log, events))
    return found


def table(found: dict[str, list[Figures]]) -> list[str]:
    """The figures as lines, the first server's being 1."""
    lines = [
        f"{'':<34}{'p50 ms':>9}{'p99 ms':>9}{'ratio':>7}" + "".join(f"{what:>28}{'ratio':>7}" for _, what in BATCHES)
    ]
    first: list[float] = []
    for name, figures in found.items():
        single = [
            statistics.median(statistics.quantiles(one.single_s, n=100)[at] for one in figures) for at in (49, 98)
        ]
        rates = [statistics.median(one.rates[what] for one in figures) for _, what in BATCHES]
        first = first or [single[0], *rates]
        line = f"{name:<34}{single[0] * 1e3:>9.2f}{single[1] * 1e3:>9.2f}{single[0] / first[0]:>7.2f}"
        lines.append(
            line + "".join(f"{rate:>26,.0f}/s{rate / base:>7.2f}" for rate, base in zip(rates, first[1:], strict=True))
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument(
        "--folder", type=Path, help="where the streams are; a disk, for what is in memory syncs nothing"
    )
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(prefix="kaiser-durability-", dir=options.folder) as name:
        folder = Path(name)
        servers: dict[str, Nats | NatsCluster] = {
            "one, synced every two minutes": Nats(folder / "one"),
            "one, synced always": Nats(folder / "always", sync="always"),
            "three, synced every two minutes": NatsCluster(folder / "three"),
            "three, synced always": NatsCluster(folder / "three-always", [Where(sync="always") for _ in range(3)]),
        }
        try:
            for server in servers.values():
                server.start()
            for line in table(uvloop.run(measure(servers, rounds=options.rounds, events=options.events))):
                print(line)
        finally:
            for server in servers.values():
                server.dispose()


if __name__ == "__main__":
    main()
