import asyncio

import pytest
from mqtt5 import (
    ConnAckPacket,
    PubAckPacket,
    PubAckReasonCode,
    PubCompPacket,
    PublishPacket,
    PubRecPacket,
    PubRecReasonCode,
    PubRelPacket,
    PubRelReasonCode,
    QoS,
)

from kaiser.mqtt import BrokerLimitExceeded, MessageExpired, NegativeAcknowledgement, SessionClosed


def publish(session, payload=b"", qos=QoS.AT_LEAST_ONCE, **settings):
    return asyncio.create_task(session.publish("a/b", payload, qos=qos, **settings))


async def finished(task):
    async with asyncio.timeout(5):
        return await task


async def test_qos_1_is_done_with_its_puback(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    task = publish(session)
    packet = await broker.expect(PublishPacket)
    await asyncio.sleep(0.02)
    assert not task.done()
    broker.send(PubAckPacket(packet.packet_id))
    assert await finished(task) is True
    assert session.unpublished == 0


async def test_the_caller_learns_that_nobody_subscribes(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    once = publish(session)
    packet = await broker.expect(PublishPacket)
    broker.send(PubAckPacket(packet.packet_id, reason_code=PubAckReasonCode.NO_MATCHING_SUBSCRIBERS))
    exactly = publish(session, qos=QoS.EXACTLY_ONCE)
    packet = await broker.expect(PublishPacket)
    broker.send(PubRecPacket(packet.packet_id, reason_code=PubRecReasonCode.NO_MATCHING_SUBSCRIBERS))
    await broker.expect(PubRelPacket)
    broker.send(PubCompPacket(packet.packet_id))
    assert [await finished(once), await finished(exactly)] == [False, False]


@pytest.mark.parametrize("qos", [QoS.AT_LEAST_ONCE, QoS.EXACTLY_ONCE])
async def test_a_refusal_is_raised_with_its_reason_code(listener, open_session, qos):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    task = publish(session, qos=qos)
    packet = await broker.expect(PublishPacket)
    if qos is QoS.AT_LEAST_ONCE:
        broker.send(PubAckPacket(packet.packet_id, reason_code=PubAckReasonCode.NOT_AUTHORIZED, reason_str="no"))
    else:
        broker.send(PubRecPacket(packet.packet_id, reason_code=PubRecReasonCode.NOT_AUTHORIZED, reason_str="no"))
    with pytest.raises(
        NegativeAcknowledgement, match=r"refused a message to a/b: not authorized \(0x87, no\)"
    ) as caught:
        await finished(task)
    assert int(caught.value.reason_code) == 0x87
    assert session.unpublished == 0


async def test_no_more_than_the_brokers_receive_maximum_is_under_way(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome(ConnAckPacket(receive_max=2))
    tasks = [publish(session, str(number).encode()) for number in range(4)]
    first, second = await broker.expect(PublishPacket), await broker.expect(PublishPacket)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(broker.receive(), 0.05)
    assert session.unpublished == 4
    urgent = publish(session, b"urgent", QoS.AT_MOST_ONCE)
    assert (await broker.expect(PublishPacket)).payload == b"urgent"
    assert await finished(urgent)
    broker.send(PubAckPacket(second.packet_id), PubAckPacket(first.packet_id))
    for _ in range(2):
        broker.send(PubAckPacket((await broker.expect(PublishPacket)).packet_id))
    await finished(asyncio.gather(*tasks))


async def test_unfinished_messages_are_sent_again_as_duplicates_in_their_order(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    tasks = [publish(session, str(number).encode()) for number in range(3)]
    ids = [(await broker.expect(PublishPacket)).packet_id for _ in range(3)]
    broker.send(PubAckPacket(ids[1]))
    await finished(tasks[1])
    broker.hang_up()
    await asyncio.sleep(0.01)
    tasks.append(publish(session, b"3"))
    broker = await listener.accept()
    await broker.welcome(ConnAckPacket(session_present=True, receive_max=2))
    again = [await broker.expect(PublishPacket), await broker.expect(PublishPacket)]
    assert [(p.packet_id, p.payload, p.duplicate) for p in again] == [(ids[0], b"0", True), (ids[2], b"2", True)]
    broker.send(*(PubAckPacket(p.packet_id) for p in again))
    last = await broker.expect(PublishPacket)
    assert (last.payload, last.duplicate) == (b"3", False)
    broker.send(PubAckPacket(last.packet_id))
    await finished(asyncio.gather(*tasks))
    assert session.stats.messages_resent == 2


async def test_unfinished_messages_are_published_anew_when_the_broker_lost_the_session(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    once, exactly = publish(session, b"1"), publish(session, b"2", QoS.EXACTLY_ONCE)
    await broker.expect(PublishPacket)
    packet = await broker.expect(PublishPacket)
    broker.send(PubRecPacket(packet.packet_id))
    await broker.expect(PubRelPacket)
    broker.hang_up()
    broker = await listener.accept()
    await broker.welcome(ConnAckPacket(session_present=False))
    first, second = await broker.expect(PublishPacket), await broker.expect(PublishPacket)
    assert [(p.payload, p.duplicate) for p in (first, second)] == [(b"1", False), (b"2", False)]
    broker.send(PubAckPacket(first.packet_id), PubRecPacket(second.packet_id))
    await broker.expect(PubRelPacket)
    broker.send(PubCompPacket(second.packet_id))
    assert [await finished(once), await finished(exactly)] == [True, True]


async def test_a_released_qos_2_message_is_not_sent_again_but_released_again(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    task = publish(session, qos=QoS.EXACTLY_ONCE)
    packet = await broker.expect(PublishPacket)
    broker.send(PubRecPacket(packet.packet_id))
    assert (await broker.expect(PubRelPacket)).packet_id == packet.packet_id
    broker.hang_up()
    broker = await listener.accept()
    await broker.welcome(ConnAckPacket(session_present=True))
    assert (await broker.expect(PubRelPacket)).packet_id == packet.packet_id
    broker.send(PubCompPacket(packet.packet_id))
    await finished(task)


async def test_a_message_given_up_before_it_was_written_is_never_sent(listener, open_session):
    session = await open_session()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await session.publish("a/b", b"too late", qos=QoS.AT_LEAST_ONCE)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await session.publish("a/b", b"too late")
    assert session.unpublished == 0
    task = publish(session, b"in time")
    broker = await listener.accept()
    await broker.welcome()
    packet = await broker.expect(PublishPacket)
    assert packet.payload == b"in time"
    broker.send(PubAckPacket(packet.packet_id))
    await finished(task)


async def test_a_packet_id_given_up_stays_in_use_until_the_broker_answers(listener, open_session, until):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    given_up = publish(session, b"1", QoS.EXACTLY_ONCE)
    packet = await broker.expect(PublishPacket)
    given_up.cancel()
    await asyncio.sleep(0.01)
    assert session.unpublished == 1
    broker.hang_up()
    broker = await listener.accept()
    await broker.welcome(ConnAckPacket(session_present=True))
    again = await broker.expect(PublishPacket)
    assert (again.packet_id, again.duplicate) == (packet.packet_id, True)
    broker.send(PubRecPacket(packet.packet_id))
    await broker.expect(PubRelPacket)
    broker.send(PubCompPacket(packet.packet_id))
    await until(lambda: not session.unpublished)


async def test_a_qos_1_message_given_up_is_not_sent_again(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    given_up = publish(session, b"1")
    await broker.expect(PublishPacket)
    given_up.cancel()
    await asyncio.sleep(0.01)
    broker.hang_up()
    task = publish(session, b"2")
    broker = await listener.accept()
    await broker.welcome(ConnAckPacket(session_present=True))
    packet = await broker.expect(PublishPacket)
    assert packet.payload == b"2"
    broker.send(PubAckPacket(packet.packet_id))
    await finished(task)


async def test_the_expiry_interval_counts_from_the_call(listener, open_session):
    session = await open_session()
    tasks = [publish(session, expiry_s=expiry_s) for expiry_s in (1, 10)]
    await asyncio.sleep(1.2)
    broker = await listener.accept()
    await broker.welcome()
    packet = await broker.expect(PublishPacket)
    assert packet.message_expiry_interval == 8
    broker.send(PubAckPacket(packet.packet_id))
    with pytest.raises(MessageExpired, match="a/b expired"):
        await finished(tasks[0])
    await finished(tasks[1])


async def test_what_the_broker_cannot_take_is_refused_before_it_is_sent(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome(ConnAckPacket(max_packet_size=100, max_qos=QoS.AT_LEAST_ONCE, retain_available=False))
    for settings, words in (
        ({"payload": b"x" * 101}, "101 bytes"),
        ({"payload": b"x" * 99}, "packet of 1"),
        ({"qos": QoS.EXACTLY_ONCE}, "at most QoS 1"),
        ({"retain": True}, "retained"),
    ):
        with pytest.raises(BrokerLimitExceeded, match=words):
            await finished(publish(session, **settings))
    with pytest.raises(ValueError, match="Invalid topic"):
        await session.publish("a/#", b"", qos=QoS.AT_LEAST_ONCE)
    assert session.unpublished == 0
    assert session.connected


async def test_an_unknown_pubrec_is_answered_so_that_the_broker_forgets_it(listener, open_session):
    await open_session()
    broker = await listener.accept()
    await broker.welcome()
    broker.send(PubAckPacket(5), PubCompPacket(6), PubRecPacket(7))
    answer = await broker.expect(PubRelPacket)
    assert (answer.packet_id, answer.reason_code) == (7, PubRelReasonCode.PACKET_ID_NOT_FOUND)


async def test_what_is_unfinished_when_the_session_is_closed_fails(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    tasks = [publish(session), publish(session, qos=QoS.EXACTLY_ONCE)]
    await broker.expect(PublishPacket)
    await session.disconnect()
    for task in tasks:
        with pytest.raises(SessionClosed):
            await finished(task)
    with pytest.raises(SessionClosed):
        await session.publish("a/b", b"")


async def test_packet_ids_are_not_given_twice(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    held = publish(session, b"held", QoS.EXACTLY_ONCE)
    await broker.expect(PublishPacket)
    session._outbox._last_packet_id = 65_534
    tasks = [publish(session) for _ in range(3)]
    packets = [await broker.expect(PublishPacket) for _ in range(3)]
    assert [p.packet_id for p in packets] == [65_535, 2, 3]
    broker.send(*(PubAckPacket(p.packet_id) for p in packets))
    await finished(asyncio.gather(*tasks))
    held.cancel()


async def test_a_socket_that_takes_no_more_holds_publishers_back(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    await session.wait_connected()
    tasks = [publish(session, bytes(100_000), QoS.AT_MOST_ONCE) for _ in range(200)]
    await asyncio.sleep(0.1)
    assert session.unpublished > 0
    for _ in tasks:
        await broker.expect(PublishPacket)
    await finished(asyncio.gather(*tasks))
