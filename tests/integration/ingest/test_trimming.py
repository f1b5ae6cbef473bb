"""Streams stay below their limits, and nothing goes that a durable consumer has not acknowledged."""

import pytest
from nats.js.api import AckPolicy, ConsumerConfig

from kaiser.contracts.streams import StreamSpec
from kaiser.eventlog import Event, connect, ensure_streams
from kaiser.ingest.trimming import FULL, ROOMY, trim
from kaiser.local.ephemeral import Nats

LIMIT = 400_000
STREAM = StreamSpec(name="TRIMMED", subjects=("trimmed.>",), max_bytes=LIMIT)


@pytest.fixture
async def log(nats_server: Nats):
    async with await connect(nats_server.url, name="test") as connection:
        await ensure_streams(connection, [STREAM])
        yield connection


async def _fill(log, messages: int) -> None:
    await log.publish_all(
        [Event(subject="trimmed.a", type="t", data=b"x" * 3000, source="test") for _ in range(messages)]
    )


async def _consume(log, messages: int) -> None:
    await log.js.add_consumer("TRIMMED", ConsumerConfig(durable_name="taker", ack_policy=AckPolicy.EXPLICIT))
    subscription = await log.js.pull_subscribe("", "taker", stream="TRIMMED")
    for message in await subscription.fetch(messages):
        await message.ack_sync()
    await subscription.unsubscribe()


async def test_a_stream_with_room_is_left_alone(log) -> None:
    await _fill(log, 20)
    await _consume(log, 20)
    assert await trim(log, STREAM) == 0


async def test_a_nearly_full_stream_is_trimmed_to_its_roomy_size(log) -> None:
    await _fill(log, 110)
    await _consume(log, 110)
    before = (await log.js.stream_info("TRIMMED")).state.bytes
    assert before > FULL * LIMIT
    assert await trim(log, STREAM) > 0
    assert (await log.js.stream_info("TRIMMED")).state.bytes == pytest.approx(ROOMY * LIMIT, rel=0.05)


async def test_what_was_not_acknowledged_stays_whatever_the_size(log) -> None:
    await _fill(log, 110)
    await _consume(log, 5)
    assert await trim(log, STREAM) == 5
    assert (await log.js.stream_info("TRIMMED")).state.first_seq == 6


async def test_a_stream_that_nobody_consumes_keeps_everything(log) -> None:
    await _fill(log, 110)
    assert await trim(log, STREAM) == 0
