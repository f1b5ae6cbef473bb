"""A stream lets nothing go that is not in the archive, and its history is whole after it did."""

import asyncio
import uuid
from pathlib import Path

import msgspec
import pytest
from nats.js.api import AckPolicy, ConsumerConfig

from kaiser.contracts.streams import StreamSpec
from kaiser.eventlog import Event, Lease, connect, ensure_streams
from kaiser.eventlog.archive import ArchiveError, Archiver, history
from kaiser.eventlog.archive.archiver import folder_of
from kaiser.ingest.trimming import trim
from kaiser.local.ephemeral import Nats
from kaiser.local.ephemeral_s3 import BUCKET, SeaweedFs
from kaiser.local.ports import free_port
from kaiser.storage import FolderStore, S3Store, Store

LIMIT = 400_000
STREAM = StreamSpec(name="ARCHIVED", subjects=("archived.>",), max_bytes=LIMIT)
ALL_TAKEN = ConsumerConfig(durable_name="taker", ack_policy=AckPolicy.EXPLICIT)


@pytest.fixture(params=["folder", "bucket"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Where segments go."""
    if request.param == "folder":
        return FolderStore(tmp_path)
    server: SeaweedFs = request.getfixturevalue("s3_server")
    return server.store(f"archive/{uuid.uuid4()}")


@pytest.fixture
async def log(nats_server: Nats):
    async with await connect(nats_server.url, name="test") as connection:
        await ensure_streams(connection, [STREAM])
        yield connection


async def _fill(log, messages: int, first: int = 1) -> None:
    """Messages that a durable consumer has taken."""
    await log.publish_all(
        [
            Event(subject="archived.a", type="t", data=b"%d " % number + b"x" * 3000, source="test")
            for number in range(first, first + messages)
        ]
    )
    await log.js.add_consumer("ARCHIVED", ALL_TAKEN)
    subscription = await log.js.pull_subscribe("", "taker", stream="ARCHIVED")
    for message in await subscription.fetch(messages):
        await message.ack_sync()
    await subscription.unsubscribe()


async def _archive_up_to(log, root, seq: int) -> Archiver:
    """Archive until it is safe, and die in the middle of what comes next."""
    lease = Lease(log, "test", "archiving", holder="test", ttl_s=5)
    archiver = Archiver(log, root, "ARCHIVED", lease, segment_bytes=30_000, segment_s=0.01)
    running = asyncio.create_task(archiver.run())
    async with asyncio.timeout(60):
        while (await archiver.floors(0)).safe < seq:
            assert not running.done()
            await asyncio.sleep(0.02)
    while not running.done():
        running.cancel()
        await asyncio.wait([running], timeout=1)
    return archiver


async def test_a_full_stream_lets_nothing_go_that_is_not_archived(log, archive) -> None:
    await _fill(log, 110)
    lease = Lease(log, "test", "archiving", holder="test", ttl_s=5)
    assert await trim(log, STREAM, Archiver(log, archive, "ARCHIVED", lease)) == 0
    archiver = await _archive_up_to(log, archive, 110)
    assert await trim(log, STREAM, archiver) > 0


async def test_what_is_archived_and_old_goes_although_there_is_room(log, archive) -> None:
    await _fill(log, 20)
    archiver = await _archive_up_to(log, archive, 20)
    await _fill(log, 5, first=21)
    assert await trim(log, STREAM, archiver) == 0
    assert await trim(log, STREAM, archiver, kept_s=0) == 20


async def test_history_is_whole_after_the_stream_has_let_go(log, archive) -> None:
    await _fill(log, 110)
    archiver = await _archive_up_to(log, archive, 110)
    gone = await trim(log, STREAM, archiver)
    await _fill(log, 10, first=111)
    folder = await folder_of(log, archive, "ARCHIVED")
    read = [delivery async for batch in history(log, folder, from_seq=1) for delivery in batch]
    assert gone > 0
    assert [delivery.seq for delivery in read] == list(range(1, 121))
    assert [int(delivery.data.split()[0]) for delivery in read] == list(range(1, 121))
    assert {delivery.type for delivery in read} == {"t"}
    assert folder.verify().problems == ()


async def test_an_archiver_goes_on_behind_the_last_segment(log, archive) -> None:
    await _fill(log, 30)
    await _archive_up_to(log, archive, 30)
    await _fill(log, 20, first=31)
    await _archive_up_to(log, archive, 50)
    verdict = (await folder_of(log, archive, "ARCHIVED")).verify()
    assert (verdict.first, verdict.last, verdict.messages, verdict.problems) == (1, 50, 50, ())


async def test_history_that_is_nowhere_is_said_to_be(log, archive) -> None:
    await _fill(log, 30)
    await log.js.purge_stream("ARCHIVED", seq=11)
    folder = await folder_of(log, archive, "ARCHIVED")
    with pytest.raises(ArchiveError, match="1 is not archived"):
        [batch async for batch in history(log, folder, from_seq=1)]


@pytest.mark.parametrize("fault", ["wrong keys", "away", "frozen"])
async def test_what_cannot_be_archived_stays_and_is_said_to(log, s3_server, fault) -> None:
    change = {
        "wrong keys": {"secret_key": "another"},
        "away": {"endpoint": f"http://127.0.0.1:{free_port()}"},
        "frozen": {"timeout_s": 0.2},
    }[fault]
    store = S3Store(BUCKET, f"archive/{uuid.uuid4()}", msgspec.structs.replace(s3_server.options, **change))
    await _fill(log, 110)
    archiver = Archiver(log, store, "ARCHIVED", Lease(log, "test", "archiving", holder="test", ttl_s=5))
    if fault == "frozen":
        s3_server.pause()
    running = asyncio.create_task(archiver.run())
    try:
        async with asyncio.timeout(60):
            while not archiver.problem:
                assert not running.done()
                await asyncio.sleep(0.02)
        with pytest.raises(ArchiveError):
            await trim(log, STREAM, archiver)
    finally:
        s3_server.resume()
        running.cancel()
        await asyncio.wait([running])
    assert (await log.js.stream_info("ARCHIVED")).state.first_seq == 1


async def test_half_of_a_segment_counts_for_nothing_and_another_one_is_found(log, archive) -> None:
    await _fill(log, 30)
    await _archive_up_to(log, archive, 30)
    folder = await folder_of(log, archive, "ARCHIVED")
    (data, *_) = [name for name in archive.names() if name.endswith(".segment")]
    body = archive.get(data)
    archive.put(data, body[: len(body) // 2])
    assert "another size or digest" in folder.verify().problems[0]
    for name in archive.names():
        if name.endswith(".manifest"):
            archive.delete(name)
    assert folder.last_seq() == 0
    assert await trim(log, STREAM, Archiver(log, archive, "ARCHIVED", Lease(log, "t", "a", holder="t", ttl_s=5))) == 0
