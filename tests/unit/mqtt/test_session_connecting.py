import asyncio
import itertools
import random

import pytest
from mqtt5 import (
    ConnAckPacket,
    ConnAckReasonCode,
    ConnectPacket,
    DisconnectPacket,
    DisconnectReasonCode,
    PingReqPacket,
    PingRespPacket,
    PublishPacket,
    SubAckPacket,
    SubAckReasonCode,
    SubscribePacket,
    UnsubAckPacket,
    UnsubAckReasonCode,
    UnsubscribePacket,
    Will,
)

from kaiser.mqtt import Connected, Disconnected, ProtocolError, SessionClosed, topic_filter
from kaiser.mqtt.settings import Backoff, tls_context


async def connected(session):
    async with asyncio.timeout(5):
        await session.wait_connected()


async def test_the_connect_packet_says_what_was_asked_for(listener, open_session):
    await open_session(
        username="bridge",
        password="secret",
        keep_alive_s=17,
        session_expiry_s=3600,
        clean_start=True,
        receive_maximum=321,
        max_packet_size=70_000,
        will=Will("w", payload=b"gone", will_delay_interval=5),
    )
    broker = await listener.accept()
    packet = await broker.expect(ConnectPacket)
    assert (packet.client_id, packet.username, packet.password) == ("unit", "bridge", b"secret")
    assert (packet.keep_alive, packet.session_expiry_interval, packet.clean_start) == (17, 3600, True)
    assert (packet.receive_max, packet.max_packet_size, packet.topic_alias_max) == (321, 70_000, 0)
    assert (packet.will.topic, packet.will.will_delay_interval) == ("w", 5)


async def test_only_the_first_connection_starts_clean(listener, open_session):
    await open_session(clean_start=True)
    broker = await listener.accept()
    assert (await broker.welcome()).clean_start
    broker.hang_up()
    assert not (await (await listener.accept()).welcome()).clean_start


async def test_subscriptions_are_sent_first_and_again_only_when_the_session_is_lost(listener, open_session):
    changes = []
    session = await open_session(subscriptions=[topic_filter("a/#"), topic_filter("b")], on_change=changes.append)
    broker = await listener.accept()
    await broker.welcome(ConnAckPacket(session_present=True))
    await asyncio.sleep(0.02)
    assert not session.connected
    subscribe = await broker.grant()
    assert [(f.pattern, f.retain_as_published) for f in subscribe.topic_filters] == [("a/#", False), ("b", False)]
    await connected(session)
    broker.hang_up()

    broker = await listener.accept()
    await broker.welcome(ConnAckPacket(session_present=True))
    await connected(session)
    broker.hang_up()

    broker = await listener.accept()
    await broker.welcome(ConnAckPacket(session_present=False))
    await broker.expect(SubscribePacket)
    assert changes[0] == Connected(1, session_present=True)
    assert isinstance(changes[1], Disconnected)
    assert changes[2] == Connected(2, session_present=True)


async def test_subscriptions_are_given_up_even_if_the_connection_breaks_meanwhile(listener, open_session):
    session = await open_session(subscriptions=[topic_filter("a/#"), topic_filter("b")])
    broker = await listener.accept()
    await broker.welcome()
    await broker.grant()
    leaving = asyncio.create_task(session.unsubscribe())
    await broker.expect(UnsubscribePacket)
    broker.hang_up()
    broker = await listener.accept()
    await broker.welcome(ConnAckPacket(session_present=True))
    packet = await broker.expect(UnsubscribePacket)
    assert packet.patterns == ["a/#", "b"]
    broker.send(UnsubAckPacket(packet.packet_id, [UnsubAckReasonCode.SUCCESS] * 2))
    await asyncio.wait_for(leaving, 5)
    broker.hang_up()
    broker = await listener.accept()
    await broker.welcome(ConnAckPacket(session_present=False))
    await connected(session)


async def test_a_refused_subscription_is_an_error_that_is_seen_and_tried_again(listener, open_session):
    session = await open_session(subscriptions=[topic_filter("mine"), topic_filter("theirs")])
    broker = await listener.accept()
    await broker.welcome()
    subscribe = await broker.expect(SubscribePacket)
    codes = [SubAckReasonCode.GRANTED_QOS_AT_MOST_ONCE, SubAckReasonCode.NOT_AUTHORIZED]
    broker.send(SubAckPacket(subscribe.packet_id, codes))
    assert (await broker.expect(DisconnectPacket)).reason_code is DisconnectReasonCode.NORMAL_DISCONNECTION
    broker = await listener.accept()
    assert session.last_error == "the broker refused the subscription to theirs: not authorized (0x87)"
    assert not session.connected
    await broker.welcome()
    await broker.grant()
    await connected(session)
    assert session.last_error is None


async def test_a_refused_connection_is_tried_again_with_growing_pauses(listener, open_session):
    session = await open_session(reconnect_min_s=0.04, reconnect_max_s=0.3)
    times = []
    for _ in range(6):
        broker = await listener.accept()
        times.append(asyncio.get_running_loop().time())
        await broker.welcome(ConnAckPacket(reason_code=ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD))
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[0] < 0.1
    assert all(0.15 <= pause < 0.5 for pause in pauses[-1:])
    assert session.last_error == "the broker refused the connection: bad user name or password (0x86)"
    assert session.stats.connect_failures == 5
    assert session.stats.connects == 0


def test_the_pause_doubles_up_to_its_maximum_with_jitter():
    backoff = Backoff(minimum_s=1.0, maximum_s=60.0)
    random.seed(1)
    assert backoff.delay_s(0) == 0
    for failures, longest in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (2_000, 60)]:
        delays = [backoff.delay_s(failures) for _ in range(200)]
        assert longest / 2 <= min(delays) < longest * 0.55
        assert longest * 0.95 < max(delays) <= longest


# mqtt5 0.8 panics on a string that is not UTF-8, and leaves the UnicodeDecodeError behind it unraised
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"\x30\x03\x00\x01\xff", DisconnectReasonCode.MALFORMED_PACKET),  # a topic that is not UTF-8
        (b"\x00\x00", DisconnectReasonCode.MALFORMED_PACKET),
        (b"\x30\xff\xff\xff\xff\x01", DisconnectReasonCode.MALFORMED_PACKET),
        (b"\x30\xff\xff\xff\x7f", DisconnectReasonCode.PACKET_TOO_LARGE),
        (PingReqPacket().write(), DisconnectReasonCode.PROTOCOL_ERROR),
        (ConnAckPacket().write(), DisconnectReasonCode.PROTOCOL_ERROR),
        (SubAckPacket(99, []).write(), DisconnectReasonCode.PROTOCOL_ERROR),
    ],
)
async def test_a_broker_that_breaks_the_protocol_is_told_so_and_connected_to_again(listener, open_session, wire, code):
    changes = []
    session = await open_session(max_packet_size=1_000_000, on_change=changes.append)
    broker = await listener.accept()
    await broker.welcome()
    broker.send_bytes(PublishPacket("a", b"before").write() + wire)
    assert (await broker.expect(DisconnectPacket)).reason_code is code
    with pytest.raises(EOFError):
        await broker.receive()
    broker = await listener.accept()
    await broker.welcome(ConnAckPacket(session_present=True))
    await connected(session)
    assert isinstance(changes[1].reason, ProtocolError)
    assert session.stats.protocol_errors == 1
    assert [m.payload for m in await anext(session.batches())] == [b"before"]


async def test_a_broker_that_breaks_off_again_and_again_is_not_hammered(listener, open_session):
    session = await open_session(reconnect_min_s=0.1)
    for _ in range(3):
        broker = await listener.accept()
        await broker.welcome()
        await connected(session)
        broker.send_bytes(b"\x00\x00")
    started = asyncio.get_running_loop().time()
    await listener.accept()
    assert asyncio.get_running_loop().time() - started > 0.1


async def test_something_that_is_not_a_broker_is_left_again(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.expect(ConnectPacket)
    broker.send_bytes(PublishPacket("a", b"").write())
    await listener.accept()
    assert session.last_error == "PublishPacket instead of CONNACK"


async def test_a_broker_that_never_answers_is_given_up_after_the_connect_timeout(listener, open_session):
    session = await open_session(connect_timeout_s=0.1)
    await listener.accept()
    await listener.accept()
    assert session.last_error == "no answer from the broker within 0.1 s"


async def test_a_silent_broker_is_pinged_and_noticed_as_dead(listener, open_session):
    session = await open_session(keep_alive_s=30)
    broker = await listener.accept()
    await broker.welcome(ConnAckPacket(server_keep_alive=1))
    await broker.expect(PingReqPacket)
    broker.send(PingRespPacket())
    await broker.expect(PingReqPacket)
    started = asyncio.get_running_loop().time()
    assert (await broker.expect(DisconnectPacket)).reason_code is DisconnectReasonCode.KEEP_ALIVE_TIMEOUT
    assert asyncio.get_running_loop().time() - started < 1
    await listener.accept()
    assert "silent for" in session.last_error


async def test_a_paused_session_goes_on_pinging_and_does_not_call_the_broker_dead(listener, open_session):
    session = await open_session(max_queued_messages=1)
    broker = await listener.accept()
    await broker.welcome(ConnAckPacket(server_keep_alive=1))
    broker.send(PublishPacket("a", b""))
    for _ in range(3):
        await broker.expect(PingReqPacket)
    assert session.connected
    await anext(session.batches())
    broker.send(PublishPacket("a", b"next"))
    assert [m.payload for m in await anext(session.batches())] == [b"next"]


@pytest.mark.parametrize("with_will", [False, True])
async def test_disconnect_says_whether_the_will_is_wanted(listener, open_session, with_will):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    await connected(session)
    leaving = asyncio.create_task(session.disconnect(with_will=with_will, session_expiry_s=0))
    packet = await broker.expect(DisconnectPacket)
    assert int(packet.reason_code) == (4 if with_will else 0)
    assert packet.session_expiry_interval == 0
    await leaving
    with pytest.raises(SessionClosed):
        await session.wait_connected()
    await session.disconnect()


async def test_an_exception_in_its_context_asks_for_the_will(listener, open_session):
    session = await open_session()
    broker = await listener.accept()
    await broker.welcome()
    await connected(session)
    leaving = asyncio.create_task(session.__aexit__(ValueError, ValueError(), None))
    assert (await broker.expect(DisconnectPacket)).reason_code is DisconnectReasonCode.DISCONNECT_WITH_WILL_MESSAGE
    await leaving


async def test_a_session_can_be_closed_while_it_connects(listener, open_session):
    session = await open_session()
    await listener.accept()
    async with asyncio.timeout(1):
        await session.disconnect()
    assert not session.connected


async def test_a_callback_that_fails_does_not_cost_the_connection(listener, open_session, caplog):
    def failing(change):
        raise ValueError(change)

    session = await open_session(on_change=failing)
    await (await listener.accept()).welcome()
    await connected(session)
    assert session.connected
    assert "on_change failed" in caplog.text


def test_a_tls_key_without_a_certificate_is_refused(tmp_path):
    with pytest.raises(ValueError, match="certificate"):
        tls_context(key_file=tmp_path / "key.pem")
