import asyncio

import pytest

from kaiser.mqtt import BrokerLimitExceeded, NegativeAcknowledgement, QoS, topic_filter


async def test_the_caller_learns_whether_anybody_subscribes(mosquitto, open_session):
    publisher = await open_session(mosquitto, "publisher")
    receiver = await open_session(mosquitto, "receiver", subscriptions=[topic_filter("heard")])
    assert await publisher.publish("heard", b"", qos=QoS.AT_LEAST_ONCE) is True
    assert await publisher.publish("unheard", b"", qos=QoS.AT_LEAST_ONCE) is False
    # Mosquitto cannot say for QoS 2: it looks for subscribers only at the PUBREL
    assert await publisher.publish("unheard", b"", qos=QoS.EXACTLY_ONCE) is True
    await receiver.disconnect()
    assert await publisher.publish("heard", b"", qos=QoS.AT_LEAST_ONCE) is True  # an absent session counts


async def test_a_topic_that_is_not_allowed_is_refused(mosquitto, open_session):
    publisher = await open_session(mosquitto, "publisher", username="loadgen")
    for qos in (QoS.AT_LEAST_ONCE, QoS.EXACTLY_ONCE):
        with pytest.raises(NegativeAcknowledgement, match="not authorized"):
            await publisher.publish("kaiser/god/esp/ESP_1/system/command", b"", qos=qos)
    assert publisher.connected


async def test_a_message_larger_than_the_broker_accepts_is_refused_before_it_is_sent(mosquitto, open_session):
    publisher = await open_session(mosquitto, "publisher")
    with pytest.raises(BrokerLimitExceeded):
        await publisher.publish("t", bytes(70_000), qos=QoS.AT_LEAST_ONCE)
    assert publisher.connected


async def test_an_expired_message_is_not_delivered(mosquitto, open_session, take):
    subscriptions = [topic_filter("t")]
    receiver = await open_session(mosquitto, "receiver", subscriptions=subscriptions)
    await receiver.disconnect()
    publisher = await open_session(mosquitto, "publisher")
    await publisher.publish("t", b"pump on", qos=QoS.AT_LEAST_ONCE, expiry_s=1)
    await publisher.publish("t", b"later", qos=QoS.AT_LEAST_ONCE, expiry_s=60)
    await asyncio.sleep(2.1)
    receiver = await open_session(mosquitto, "receiver", subscriptions=subscriptions)
    (message,) = await take(receiver, 2, or_less_after_s=0.3)
    assert message.payload == b"later"
    assert 50 <= message.message_expiry_interval <= 58


@pytest.mark.parametrize("qos", [QoS.AT_LEAST_ONCE, QoS.EXACTLY_ONCE])
async def test_publishing_survives_connections_that_break(mosquitto, open_session, qos):
    receiver = await open_session(mosquitto, "receiver", subscriptions=[topic_filter("t", max_qos=qos)])
    publisher = await open_session(mosquitto, "publisher")
    received = []

    async def receive():
        async for batch in receiver.batches():
            received.extend(int(m.payload) for m in batch)
            receiver.acknowledge(batch)

    receiving = asyncio.create_task(receive())
    count = 2_000
    publishing = asyncio.gather(*(publisher.publish("t", b"%d" % n, qos=qos) for n in range(count)))
    for _ in range(3):
        await asyncio.sleep(0.05)
        if publisher.connected:
            publisher._client._connection._transport.abort()
    await asyncio.wait_for(publishing, 20)
    async with asyncio.timeout(10):
        while len(set(received)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    receiving.cancel()
    if qos is QoS.EXACTLY_ONCE:
        assert sorted(received) == list(range(count))
    async with asyncio.timeout(10):
        while publisher.stats.connects == 1:  # noqa: ASYNC110  # all may have come before the first break
            await asyncio.sleep(0.01)
    assert publisher.stats.connects > 1


async def test_publishing_waits_for_a_broker_that_is_down(mosquitto, open_session):
    publisher = await open_session(mosquitto, "publisher")
    mosquitto.stop()
    publishing = asyncio.create_task(publisher.publish("t", b"", qos=QoS.AT_LEAST_ONCE))
    await asyncio.sleep(0.2)
    assert not publisher.connected
    assert not publishing.done()
    mosquitto.start()
    await asyncio.wait_for(publishing, 10)
