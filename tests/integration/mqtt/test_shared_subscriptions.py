"""What Mosquitto 2.0 does with the messages of a shared subscription: the ground that a bridge's slots stand on.

In short: messages are dealt to the members in turn, whether a member is connected, stalled or dead, as long as its
session lives. What was dealt stays that member's, in flight or queued: it is never given to the others, it is lost
when the member's session expires, and until then whoever connects with the same client id gets it.
"""

import asyncio
import itertools

import pytest

from kaiser.mqtt import QoS, TakenOver, topic_filter

SHARED = [topic_filter("$share/bridge/t/#", max_qos=QoS.EXACTLY_ONCE)]


@pytest.fixture
async def publish(mosquitto, open_session):
    publisher = await open_session(mosquitto, "publisher")
    numbers = itertools.count()

    async def publish(count, qos=QoS.AT_LEAST_ONCE):
        payloads = [b"%d" % next(numbers) for _ in range(count)]
        await asyncio.gather(*(publisher.publish("t/a", payload, qos=qos) for payload in payloads))
        return set(payloads)

    return publish


def break_off(session):
    """End a session as kill -9 would: no DISCONNECT, and nobody comes back by itself."""
    session._client._task.cancel()
    session._client._connection._transport.abort()


def payloads(messages):
    return {message.payload for message in messages}


async def test_members_share_the_messages_in_turn(mosquitto, open_session, take, publish):
    one = await open_session(mosquitto, "slot-0", subscriptions=SHARED)
    two = await open_session(mosquitto, "slot-1", subscriptions=SHARED)
    sent = await publish(100)
    first = await take(one, 100, or_less_after_s=0.3)
    second = await take(two, 100, or_less_after_s=0.3)
    assert len(first) == len(second) == 50
    assert payloads(first) | payloads(second) == sent


async def test_what_a_dead_member_held_is_not_given_to_the_others(mosquitto, open_session, take, publish):
    dead = await open_session(mosquitto, "slot-0", subscriptions=SHARED)
    living = await open_session(mosquitto, "slot-1", subscriptions=SHARED)
    sent = await publish(20)
    held = await take(dead, 10, acknowledge=False)
    received = await take(living, 10)
    break_off(dead)
    assert await take(living, 1, or_less_after_s=1.0) == []
    assert payloads(held) | payloads(received) == sent


@pytest.mark.parametrize("qos", [QoS.AT_MOST_ONCE, QoS.AT_LEAST_ONCE, QoS.EXACTLY_ONCE])
async def test_a_dead_member_goes_on_getting_its_share(mosquitto, open_session, take, publish, qos):
    dead = await open_session(mosquitto, "slot-0", subscriptions=SHARED)
    living = await open_session(mosquitto, "slot-1", subscriptions=SHARED)
    break_off(dead)
    await asyncio.sleep(0.2)
    sent = await publish(20, qos)
    received = await take(living, 20, or_less_after_s=0.5)
    assert len(received) == 10
    successor = await open_session(mosquitto, "slot-0", subscriptions=SHARED)
    assert payloads(received) | payloads(await take(successor, 10)) == sent


async def test_with_mosquittos_defaults_a_dead_members_share_of_qos_0_is_lost(custom_mosquitto, open_session, take):
    broker = custom_mosquitto("allow_anonymous true")  # and queue_qos0_messages false
    publisher = await open_session(broker, "publisher")
    dead = await open_session(broker, "slot-0", subscriptions=SHARED)
    living = await open_session(broker, "slot-1", subscriptions=SHARED)
    break_off(dead)
    await asyncio.sleep(0.2)
    await asyncio.gather(*(publisher.publish("t/a", b"%d" % number) for number in range(20)))
    assert len(await take(living, 20, or_less_after_s=0.5)) == 10
    successor = await open_session(broker, "slot-0", subscriptions=SHARED)
    assert await take(successor, 1, or_less_after_s=0.5) == []


async def test_a_member_that_unsubscribes_by_ending_its_session_gets_no_more(mosquitto, open_session, take, publish):
    leaver = await open_session(mosquitto, "slot-0", subscriptions=SHARED)
    living = await open_session(mosquitto, "slot-1", subscriptions=SHARED)
    await leaver.disconnect(session_expiry_s=0)
    sent = await publish(20)
    assert payloads(await take(living, 20)) == sent


async def test_a_member_that_unsubscribes_and_drains_first_can_leave_for_good(mosquitto, open_session, take, publish):
    leaver = await open_session(mosquitto, "slot-0", subscriptions=SHARED, receive_maximum=5)
    living = await open_session(mosquitto, "slot-1", subscriptions=SHARED)
    sent = await publish(100)
    publishing = asyncio.create_task(publish(1_000))
    await leaver.unsubscribe()
    sent |= await publishing
    drained = await take(leaver, 10_000, or_less_after_s=0.5)
    await leaver.disconnect(session_expiry_s=0)
    received = await take(living, 10_000, or_less_after_s=0.5)
    assert payloads(drained) | payloads(received) == sent
    assert 50 <= len(drained) < 550


async def test_what_is_published_while_every_member_is_away_waits_for_each_in_turn(
    mosquitto, open_session, take, publish
):
    for session in [await open_session(mosquitto, f"slot-{n}", subscriptions=SHARED) for n in (0, 1)]:
        break_off(session)
    await asyncio.sleep(0.2)
    sent = await publish(20)
    one = await open_session(mosquitto, "slot-0", subscriptions=SHARED)
    first = await take(one, 20, or_less_after_s=0.5)
    two = await open_session(mosquitto, "slot-1", subscriptions=SHARED)
    second = await take(two, 20, or_less_after_s=0.5)
    assert payloads(first) | payloads(second) == sent
    assert len(first) == len(second) == 10


async def test_the_same_client_id_gets_what_was_in_flight_and_what_was_queued(mosquitto, open_session, take, publish):
    dead = await open_session(mosquitto, "slot-0", subscriptions=SHARED, receive_maximum=5)
    sent = await publish(20)
    held = await take(dead, 5, acknowledge=False)
    break_off(dead)
    await asyncio.sleep(0.2)
    sent |= await publish(10)
    successor = await open_session(mosquitto, "slot-0", subscriptions=SHARED, receive_maximum=5)
    received = await take(successor, 30)
    assert payloads(received) == sent
    assert [m.payload for m in received if m.duplicate] == [m.payload for m in held]
    assert [int(m.payload) for m in received] == list(range(30))


async def test_a_takeover_hands_over_what_the_living_member_held(mosquitto, open_session, take, publish):
    active = await open_session(mosquitto, "slot-0", subscriptions=SHARED)
    sent = await publish(20)
    await take(active, 20, acknowledge=False)
    successor = await open_session(mosquitto, "slot-0", subscriptions=SHARED)
    with pytest.raises(TakenOver):
        await take(active, 1)
    assert payloads(await take(successor, 20)) == sent


async def test_another_client_id_never_gets_what_a_dead_member_held(mosquitto, open_session, take, publish):
    dead = await open_session(mosquitto, "bridge-old-pod", subscriptions=SHARED)
    sent = await publish(10)
    await take(dead, 10, acknowledge=False)
    break_off(dead)
    stranger = await open_session(mosquitto, "bridge-new-pod", subscriptions=SHARED)
    assert await take(stranger, 1, or_less_after_s=1.0) == []
    heir = await open_session(mosquitto, "bridge-old-pod", subscriptions=SHARED)
    assert payloads(await take(heir, 10)) == sent


async def test_what_an_expired_member_held_is_lost_even_though_others_live(mosquitto, open_session, take, publish):
    dead = await open_session(mosquitto, "slot-0", subscriptions=SHARED, session_expiry_s=1)
    living = await open_session(mosquitto, "slot-1", subscriptions=SHARED)
    sent = await publish(20)
    held = await take(dead, 10, acknowledge=False)
    received = await take(living, 10)
    break_off(dead)
    await asyncio.sleep(3.0)
    assert await take(living, 1, or_less_after_s=0.5) == []
    changes = []
    late = await open_session(mosquitto, "slot-0", subscriptions=SHARED, on_change=changes.append)
    assert not changes[0].session_present
    assert await take(late, 1, or_less_after_s=0.5) == []
    assert payloads(held) | payloads(received) == sent


async def test_what_a_member_holds_survives_a_restart_of_the_broker(mosquitto, open_session, take, publish):
    dead = await open_session(mosquitto, "slot-0", subscriptions=SHARED, receive_maximum=5)
    sent = await publish(20)
    await take(dead, 5, acknowledge=False)
    break_off(dead)
    await asyncio.to_thread(mosquitto.restart)
    successor = await open_session(mosquitto, "slot-0", subscriptions=SHARED, receive_maximum=5)
    assert payloads(await take(successor, 20)) == sent
    sent = await publish(5)
    assert payloads(await take(successor, 5)) == sent


async def test_a_stalled_member_keeps_its_share_and_the_others_go_on(mosquitto, open_session, take, publish):
    stalled = await open_session(mosquitto, "slot-0", subscriptions=SHARED, receive_maximum=5)
    living = await open_session(mosquitto, "slot-1", subscriptions=SHARED)
    sent = await publish(100)
    held = await take(stalled, 5, acknowledge=False)
    received = await take(living, 100, or_less_after_s=0.5)
    assert len(received) == 50
    stalled._client._connection._transport.abort()
    rest = await take(stalled, 100, or_less_after_s=0.5)
    assert payloads(received) | payloads(rest) == sent
    assert payloads(held) <= payloads(rest)
