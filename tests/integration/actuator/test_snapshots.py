"""Starting from a snapshot, which must not make any difference."""

import asyncio
import contextlib

import msgspec
import pytest

from kaiser.actuator.archive import Archive
from kaiser.actuator.book import Book
from kaiser.actuator.snapshots import Snapshot
from kaiser.actuator.snapshotting import Snapshotting
from kaiser.contracts.events.actuation import CommandRequested
from kaiser.contracts.streams import ACTUATORS, COMMANDS, SHADOWS
from kaiser.eventlog import ensure_bucket, replay

from .conftest import DEC, DIMMER, HEAD, PUMP, VALVE, known


class Known:
    """What the log, or a snapshot of it, tells of commands."""

    def __init__(self, log) -> None:
        self.book, self.archive = Book(log), Archive()
        self.book.on_event.append(self.archive.take)
        self.snapshotting = Snapshotting(log, "actuator", self.book, self.archive)
        self.read = 0
        self.book.on_event.append(self._count)

    def _count(self, *_: object) -> None:
        self.read += 1

    async def follow(self) -> None:
        following = asyncio.create_task(self.book.follow())
        await self.book.wait_caught_up()
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following

    def told(self) -> Snapshot:
        snapshot = self.snapshotting.taken()
        pages = tuple(sorted(snapshot.pages, key=lambda kept: (kept.esp_id, kept.gpio)))
        return msgspec.structs.replace(snapshot, pages=pages)


async def whole(log) -> Known:
    known = Known(log)
    await known.follow()
    return known


async def restored(log) -> Known:
    known = Known(log)
    await known.snapshotting.restore()
    await known.follow()
    return known


@pytest.fixture
async def busy(there, service):
    """A site on which commands have ended in many ways, and some have not ended; nobody goes on with them."""
    for gpio, pwm in ((PUMP, 255), (DIMMER, 255), (VALVE, 254)):
        command = await there.send(DEC, gpio, "ON", idempotency_key=f"on-{gpio}", duration_s=3600)
        await there.sent(command.command_id)
        await there.respond(DEC, gpio, "ON")
        await there.status(DEC, gpio, pwm)
        await there.ended(command.command_id)
    silent = await there.send(HEAD, PUMP, "OFF", timeout_s=1)
    await there.ended(silent.command_id)
    await there.stop(DEC, DIMMER)
    await there.status(DEC, VALVE, 0)  # drifts
    await there.until(lambda: [fact for fact in there.facts if type(fact).__name__ == "ShadowDrifted"])
    there.safety = False
    await there.send(DEC, PUMP, "ON", timeout_s=60)
    await there.send(HEAD, DIMMER, "OFF", timeout_s=60)
    await there.until(lambda: there.downlinks[-1].esp_id == HEAD)
    service.kill()
    return there


async def test_what_is_known_from_a_snapshot_is_what_the_whole_log_tells(busy):
    before = await whole(busy.log)
    await before.snapshotting.keep(before.snapshotting.taken())
    after = await restored(busy.log)
    assert after.read == 0
    assert after.told() == before.told()


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
async def test_it_does_not_matter_when_the_snapshot_was_taken(busy, share):
    before = await whole(busy.log)
    part = Known(busy.log)
    deliveries = [one async for one in replay(busy.log, ACTUATORS.name, subjects=(COMMANDS, SHADOWS))]
    for delivery in deliveries[: int(len(deliveries) * share)]:
        part.book._read(delivery)
    await part.snapshotting.keep(part.snapshotting.taken())
    after = await restored(busy.log)
    assert 0 < after.read < before.read
    assert after.told() == before.told()


@pytest.mark.parametrize(
    ("key", "value"),
    [("checkpoint", b"rubbish"), ("checkpoint.a.0", b"rubbish"), ("checkpoint.b.0", b""), ("checkpoint", b"")],
    ids=["head-rubbish", "part-rubbish", "part-torn", "head-torn"],
)
async def test_a_snapshot_that_is_torn_or_rubbish_is_none_and_the_next_one_counts(busy, key, value):
    before = await whole(busy.log)
    for _ in range(2):  # both places
        await before.snapshotting.keep(before.snapshotting.taken())
    bucket = await ensure_bucket(busy.log, "actuator")
    for place in {key, key.replace(".a.", ".b."), key.replace(".b.", ".a.")}:
        await bucket.put(place, value)
    after = await restored(busy.log)
    assert after.read == before.read
    assert after.told() == before.told()
    await after.snapshotting.keep(after.snapshotting.taken())
    assert (await restored(busy.log)).read == 0


async def test_a_snapshot_of_a_log_that_is_another_by_now_is_none(busy):
    before = await whole(busy.log)
    seq, event_id = before.book.last
    for last in ((seq, "another"), (seq + 1000, event_id)):
        before.book.last = last
        await before.snapshotting.keep(before.snapshotting.taken())
        assert (await restored(busy.log)).read == before.read


async def test_a_snapshot_is_taken_of_what_was_read_at_the_start_though_nothing_new_happens(busy):
    before = await whole(busy.log)
    taking = asyncio.create_task(before.snapshotting.run(lambda: True, 0.05))

    async def kept() -> bool:
        return (await restored(busy.log)).read == 0

    await busy.eventually(kept)
    taking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await taking


async def test_a_service_that_goes_on_from_a_snapshot_knows_keys_and_ends_durations(site, new_service):
    service = new_service(snapshot_s="0.1").start()
    await site.meet(DEC)
    await known(site, DEC)
    command = await site.send(DEC, PUMP, "ON", duration_s=6, idempotency_key="k")
    await site.sent(command.command_id)
    await site.status(DEC, PUMP, 255)
    await site.ended(command.command_id)

    async def kept() -> bool:
        after = await restored(site.log)
        return after.read == 0 and after.archive.get(command.command_id) is not None

    await site.eventually(kept)
    service.kill()
    service.start()
    assert (await site.send(DEC, PUMP, "ON", duration_s=6, idempotency_key="k")).command_id == command.command_id
    assert (await site.command(command.command_id)).state == "succeeded"

    def timers() -> list[CommandRequested]:
        return [fact for fact in site.facts if isinstance(fact, CommandRequested) and fact.source == "timer"]

    (off,) = await site.until(timers)
    assert off.causation_id == command.command_id
