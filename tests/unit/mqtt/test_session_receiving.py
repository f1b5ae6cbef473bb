import asyncio

import pytest
from mqtt5 import (
    ConnAckPacket,
    DisconnectPacket,
    DisconnectReasonCode,
    PubAckPacket,
    PubCompPacket,
    PublishPacket,
    PubRecPacket,
    PubRelPacket,
    QoS,
)

from kaiser.mqtt import Lull, TakenOver


def message(packet_id, qos=QoS.AT_LEAST_ONCE, payload=b"", duplicate=False):
    return PublishPacket("a/b", payload, qos=qos, packet_id=packet_id, duplicate=duplicate)


async def next_batch(session):
    async with asyncio.timeout(5):
        return await anext(session.batches())


async def test_one_read_is_one_batch(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    broker.send(*(message(i) for i in range(1, 201)))
    batch = await next_batch(session)
    assert [m.packet_id for m in batch] == list(range(1, 201))
    assert batch.connection == 1


async def test_reads_are_joined_while_the_consumer_is_away(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    for packet_id in range(1, 6):
        broker.send(message(packet_id))
        await asyncio.sleep(0.01)
    batch = await next_batch(session)
    assert [m.packet_id for m in batch] == [1, 2, 3, 4, 5]
    assert session.stats.queued_messages == session.stats.queued_bytes == 0


async def test_acknowledgements_leave_in_the_order_given(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    broker.send(message(7), message(3, QoS.EXACTLY_ONCE), message(300))
    batch = await next_batch(session)
    first, second, third = batch
    assert session.acknowledge(batch, [first, second]) == 2
    assert session.acknowledge(batch, [third]) == 1
    assert (await broker.expect(PubAckPacket)).packet_id == 7
    assert (await broker.expect(PubRecPacket)).packet_id == 3
    assert (await broker.expect(PubAckPacket)).packet_id == 300
    assert session.stats.messages_acknowledged == 3


async def test_a_second_acknowledgement_is_not_sent_even_if_the_packet_id_is_in_use_again(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    broker.send(message(1, payload=b"old"))
    old = await next_batch(session)
    assert session.acknowledge(old) == 1
    broker.send(message(1, payload=b"new"))
    await next_batch(session)
    assert session.acknowledge(old) == 0
    assert session.unacknowledged == 1


async def test_an_acknowledgement_for_an_older_connection_is_not_sent(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    broker.send(message(1))
    old = await next_batch(session)
    broker.hang_up()
    broker = await listener.accept()
    await broker.welcome(ConnAckPacket(session_present=True))
    broker.send(message(1, duplicate=True))
    new = await next_batch(session)
    assert new.messages[0].duplicate
    assert session.acknowledge(old) == 0
    assert session.acknowledge(new) == 1
    assert session.stats.acknowledgements_stale == 1


async def test_a_qos_2_message_between_pubrec_and_pubrel_is_not_delivered_again(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    broker.send(message(9, QoS.EXACTLY_ONCE, b"once"))
    batch = await next_batch(session)
    session.acknowledge(batch)
    await broker.expect(PubRecPacket)
    broker.hang_up()

    broker = await listener.accept()
    await broker.welcome(ConnAckPacket(session_present=True))
    broker.send(message(9, QoS.EXACTLY_ONCE, b"once", duplicate=True))
    assert (await broker.expect(PubRecPacket)).packet_id == 9
    broker.send(PubRelPacket(9))
    assert (await broker.expect(PubCompPacket)).packet_id == 9
    broker.send(message(9, QoS.EXACTLY_ONCE, b"another"))
    assert [m.payload for m in await next_batch(session)] == [b"another"]
    assert session.stats.duplicates_suppressed == 1


async def test_packet_ids_of_a_lost_session_are_not_taken_for_duplicates(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    broker.send(message(9, QoS.EXACTLY_ONCE, b"old session"))
    session.acknowledge(await next_batch(session))
    await broker.expect(PubRecPacket)
    broker.hang_up()
    broker = await listener.accept()
    await broker.welcome(ConnAckPacket(session_present=False))
    broker.send(message(9, QoS.EXACTLY_ONCE, b"new session"))
    assert [m.payload for m in await next_batch(session)] == [b"new session"]


async def test_messages_that_come_with_the_connack_are_received(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.receive()
    broker.send(ConnAckPacket(session_present=True), message(1), message(2))
    assert len(await next_batch(session)) == 2


async def test_a_consumer_that_is_behind_stops_the_reading_and_loses_nothing(listener, open_session):
    session = await open_session(max_queued_messages=100, max_queued_bytes=2**30)
    broker = await listener.accept()
    await broker.welcome()
    payload = b"x" * 10_000
    count = 5_000  # 50 MB, far beyond what the kernel's buffers hold
    for number in range(count):
        broker.send(PublishPacket("a/b", payload + str(number).encode()))
    await asyncio.sleep(0.3)
    assert session.stats.reading_pauses == 1
    assert session.stats.queued_messages < 200
    received = []
    async with asyncio.timeout(20):
        async for batch in session.batches():
            received += [int(m.payload[10_000:]) for m in batch]
            if len(received) == count:
                break
    assert received == list(range(count))
    assert session.stats.messages_dropped == 0


async def test_a_session_taken_over_ends_and_does_not_come_back(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    broker.send(message(1), DisconnectPacket(reason_code=DisconnectReasonCode.SESSION_TAKEN_OVER))
    assert len(await next_batch(session)) == 1
    with pytest.raises(TakenOver):
        await next_batch(session)
    with pytest.raises(TakenOver):
        await session.publish("a", b"", qos=QoS.AT_LEAST_ONCE)
    with pytest.raises(TakenOver):
        await session.wait_connected()
    assert not session.connected
    await asyncio.sleep(0.2)
    assert session.stats.connects == 1
    assert session.last_error == "another connection uses the client id unit"


async def test_what_is_queued_when_the_session_is_closed_is_still_handed_out(listener, open_session, until):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    broker.send(PublishPacket("a/b", b"last words"))
    await until(lambda: session.stats.queued_messages == 1)
    await session.disconnect()
    assert [m.payload for b in [b async for b in session.batches()] for m in b] == [b"last words"]


async def test_a_qos_0_message_nobody_took_is_counted_as_dropped(listener, open_session, until):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    broker.send(PublishPacket("a/b", b""), message(1))
    await until(lambda: session.stats.queued_messages == 2)
    await session.__aexit__(None, None, None)
    assert session.stats.messages_dropped == 1


async def test_batches_has_one_consumer_at_a_time(listener, open_session):
    session = await open_session()
    first = asyncio.create_task(anext(session.batches()))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="one consumer"):
        await anext(session.batches())
    first.cancel()


FOR_EVER = Lull(lambda message: message.payload == b"patient", 60.0)


async def test_patient_messages_wait_for_one_that_is_not(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    taking = asyncio.ensure_future(anext(session.batches(FOR_EVER)))
    for packet_id in (1, 2):
        broker.send(message(packet_id, payload=b"patient"))
        await asyncio.sleep(0.01)
        assert not taking.done()
    broker.send(message(3))
    async with asyncio.timeout(5):
        assert [m.packet_id for m in await taking] == [1, 2, 3]


async def test_patient_messages_wait_no_longer_than_they_may(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    broker.send(message(1, payload=b"patient"))
    async with asyncio.timeout(5):
        batch = await anext(session.batches(FOR_EVER._replace(seconds=0.02)))
    assert [m.packet_id for m in batch] == [1]


async def test_what_is_not_patient_does_not_wait_at_all(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    broker.send(message(1), message(2, payload=b"patient"))
    async with asyncio.timeout(5):
        batch = await anext(session.batches(FOR_EVER))
    assert [m.packet_id for m in batch] == [1, 2]
