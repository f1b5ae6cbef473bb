import asyncio

import aiomqtt
import pytest

from kaiser.mqtt import QoS, topic_filter

FILTER = topic_filter("t/#")


async def publish_all(session, payloads, qos=QoS.AT_LEAST_ONCE, topic="t/a"):
    await asyncio.gather(*(session.publish(topic, payload, qos=qos) for payload in payloads))


async def test_unacknowledged_messages_come_again_marked_as_duplicates(mosquitto, open_session, take):
    publisher = await open_session(mosquitto, "publisher")
    session = await open_session(mosquitto, "receiver", subscriptions=[FILTER])
    sent = [str(number).encode() for number in range(20)]
    await publish_all(publisher, sent)
    first = await take(session, 20, acknowledge=False)
    assert session.unacknowledged == 20
    session._client._connection._transport.abort()
    again = await take(session, 20)
    assert [m.payload for m in again] == [m.payload for m in first] == sent
    assert all(m.duplicate for m in again)
    assert not any(m.duplicate for m in first)
    session._client._connection._flush()
    session._client._connection._transport.abort()
    await publish_all(publisher, [b"next"])
    assert [m.payload for m in await take(session, 1)] == [b"next"]


async def test_only_what_was_acknowledged_before_the_break_does_not_come_again(mosquitto, open_session, take):
    publisher = await open_session(mosquitto, "publisher")
    session = await open_session(mosquitto, "receiver", subscriptions=[FILTER])
    await publish_all(publisher, [b"1", b"2", b"3", b"4"])
    await asyncio.sleep(0.1)
    batch = await anext(session.batches())
    assert len(batch) == 4
    session.acknowledge(batch, batch.messages[:2])
    await asyncio.sleep(0.1)
    session._client._connection._transport.abort()
    assert [m.payload for m in await take(session, 2)] == [b"3", b"4"]


async def test_the_broker_never_has_more_unacknowledged_than_the_receive_maximum(mosquitto, open_session, take):
    publisher = await open_session(mosquitto, "publisher")
    session = await open_session(mosquitto, "receiver", subscriptions=[FILTER], receive_maximum=7)
    sent = [str(number).encode() for number in range(50)]
    await publish_all(publisher, sent)
    held = await take(session, 50, acknowledge=False, or_less_after_s=0.3)
    assert [m.payload for m in held] == sent[:7]
    session._client._connection._transport.abort()
    received = await take(session, 50)
    assert [m.payload for m in received] == sent


@pytest.mark.parametrize("qos", [QoS.AT_MOST_ONCE, QoS.AT_LEAST_ONCE, QoS.EXACTLY_ONCE])
async def test_every_quality_of_service_arrives_once_and_in_order(mosquitto, open_session, take, qos):
    publisher = await open_session(mosquitto, "publisher")
    session = await open_session(mosquitto, "receiver", subscriptions=[topic_filter("t/#", max_qos=qos)])
    sent = [str(number).encode() for number in range(2_000)]
    await publish_all(publisher, sent, qos)
    received = await take(session, 2_000)
    assert [m.payload for m in received] == sent
    assert {int(m.qos) for m in received} == {int(qos)}
    assert await take(session, 1, or_less_after_s=0.1) == []
    assert session.unacknowledged == 0


async def test_a_qos_2_message_received_before_the_break_is_not_delivered_again(mosquitto, open_session, take, until):
    publisher = await open_session(mosquitto, "publisher")
    exactly_once = topic_filter("t/#", max_qos=QoS.EXACTLY_ONCE)
    session = await open_session(mosquitto, "receiver", subscriptions=[exactly_once])
    await publish_all(publisher, [b"1"], QoS.EXACTLY_ONCE)
    batch = await anext(session.batches())
    # the PUBREC goes out with the connection breaking behind it: whether it arrived, nobody here can know
    session.acknowledge(batch)
    session._client._connection._flush()
    session._client._connection._transport.abort()
    await until(lambda: session.stats.connects == 2)
    await publish_all(publisher, [b"2"], QoS.EXACTLY_ONCE)
    assert [m.payload for m in await take(session, 2, or_less_after_s=0.5)] == [b"2"]


async def test_a_slow_consumer_of_qos_0_loses_nothing_that_the_broker_keeps(mosquitto, open_session, take):
    publisher = await open_session(mosquitto, "publisher")
    at_most_once = topic_filter("t/#", max_qos=QoS.AT_MOST_ONCE)
    session = await open_session(mosquitto, "receiver", subscriptions=[at_most_once], max_queued_messages=100)
    count, padding = 5_000, b"x" * 4_000
    await publish_all(publisher, [b"%d %s" % (number, padding) for number in range(count)], QoS.AT_MOST_ONCE)
    await asyncio.sleep(0.5)
    assert session.stats.reading_pauses == 1
    assert session.stats.queued_bytes < 1_000_000
    received = await take(session, count)
    assert [int(m.payload.split()[0]) for m in received] == list(range(count))


async def test_messages_of_an_mqtt_3_1_1_device_arrive(mosquitto, open_session, take):
    session = await open_session(mosquitto, "receiver", subscriptions=[FILTER])
    async with aiomqtt.Client(
        mosquitto.host,
        mosquitto.port,
        username=mosquitto.username,
        password=mosquitto.password,
        protocol=aiomqtt.ProtocolVersion.V311,
    ) as device:
        for qos in (0, 1, 2):
            await device.publish(f"t/{qos}", b"reading", qos=qos)
    received = await take(session, 3)
    assert sorted((m.topic, m.payload) for m in received) == [(f"t/{qos}", b"reading") for qos in (0, 1, 2)]


async def test_retain_marks_only_the_brokers_retained_copy(mosquitto, open_session, take):
    publisher = await open_session(mosquitto, "publisher")
    await publisher.publish("t/a", b"kept", qos=QoS.AT_LEAST_ONCE, retain=True)
    session = await open_session(mosquitto, "receiver", subscriptions=[FILTER])
    (copy,) = await take(session, 1)
    await publisher.publish("t/a", b"live", qos=QoS.AT_LEAST_ONCE, retain=True)
    (live,) = await take(session, 1)
    assert [(m.payload, m.retain) for m in (copy, live)] == [(b"kept", True), (b"live", False)]


async def test_a_megabyte_arrives_whole(custom_mosquitto, open_session, take):
    broker = custom_mosquitto("allow_anonymous true")
    session = await open_session(broker, "session", subscriptions=[topic_filter("t/#", max_qos=QoS.EXACTLY_ONCE)])
    payload = bytes(range(256)) * 4_096
    for qos in (QoS.AT_MOST_ONCE, QoS.AT_LEAST_ONCE, QoS.EXACTLY_ONCE):
        await session.publish("t/a", payload, qos=qos)
    assert [m.payload == payload for m in await take(session, 3)] == [True] * 3


async def test_a_message_larger_than_asked_for_is_kept_back_by_the_broker(mosquitto, open_session, take):
    publisher = await open_session(mosquitto, "publisher")
    session = await open_session(mosquitto, "receiver", subscriptions=[FILTER], max_packet_size=1_000)
    await publish_all(publisher, [bytes(2_000), b"small"])
    assert [m.payload for m in await take(session, 1)] == [b"small"]
    assert session.stats.protocol_errors == 0
