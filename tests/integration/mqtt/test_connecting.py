import asyncio
import subprocess
import time

import pytest
import uvloop

from kaiser.mqtt import Connected, Disconnected, QoS, Session, TakenOver, Will, tls_context, topic_filter

WILL = Will("status", payload=b"offline", qos=QoS.AT_LEAST_ONCE)


async def test_a_session_waits_for_a_broker_that_is_not_there_yet(mosquitto, open_session):
    mosquitto.stop()
    session = await open_session(mosquitto, "early", wait=False)
    await asyncio.sleep(0.3)
    assert not session.connected
    assert "Connect call failed" in session.last_error
    mosquitto.start()
    async with asyncio.timeout(5):
        await session.wait_connected()
    assert session.last_error is None


async def test_session_and_queue_survive_a_broker_that_is_restarted(mosquitto, open_session, take):
    changes = []
    subscriptions = [topic_filter("t/#")]
    session = await open_session(mosquitto, "receiver", subscriptions=subscriptions, on_change=changes.append)
    publisher = await open_session(mosquitto, "publisher")
    await publisher.publish("t/1", b"before", qos=QoS.AT_LEAST_ONCE)
    (before,) = await take(session, 1, acknowledge=False)
    await asyncio.to_thread(mosquitto.restart)
    (again,) = await take(session, 1)
    assert (again.payload, again.duplicate) == (before.payload, True)
    await publisher.publish("t/1", b"after", qos=QoS.AT_LEAST_ONCE)
    assert [m.payload for m in await take(session, 1)] == [b"after"]
    assert changes[0] == Connected(1, session_present=False)
    assert changes[-1] == Connected(2, session_present=True)
    assert isinstance(changes[1], Disconnected)


async def test_a_wrong_password_is_visible_and_tried_again(mosquitto, open_session):
    session = await open_session(mosquitto, "intruder", wait=False, password="wrong")
    await asyncio.sleep(0.5)
    assert not session.connected
    assert session.last_error == "the broker refused the connection: not authorized (0x87)"
    assert session.stats.connect_failures >= 2


async def test_a_frozen_broker_is_noticed_within_one_and_a_half_keep_alive_intervals(mosquitto, open_session):
    changes = asyncio.Queue()
    session = await open_session(mosquitto, "watcher", keep_alive_s=2, on_change=changes.put_nowait)
    await changes.get()
    mosquitto.pause()
    frozen = time.monotonic()
    change = await asyncio.wait_for(changes.get(), 5)
    assert isinstance(change, Disconnected)
    assert "silent for" in str(change.reason)
    assert time.monotonic() - frozen < 3.0
    mosquitto.resume()
    assert isinstance(await asyncio.wait_for(changes.get(), 15), Connected)
    assert session.connected


async def test_an_idle_session_is_kept_alive(mosquitto, open_session):
    session = await open_session(mosquitto, "idle", keep_alive_s=1)
    await asyncio.sleep(2.5)
    assert session.connected
    assert session.stats.connects == 1


async def test_the_later_connection_with_a_client_id_takes_the_session_over(mosquitto, open_session, take):
    subscriptions = [topic_filter("t")]
    active = await open_session(mosquitto, "slot-0", subscriptions=subscriptions)
    publisher = await open_session(mosquitto, "publisher")
    await publisher.publish("t", b"held by the active one", qos=QoS.AT_LEAST_ONCE)
    assert len(await take(active, 1, acknowledge=False)) == 1
    standby = await open_session(mosquitto, "slot-0", subscriptions=subscriptions)
    with pytest.raises(TakenOver):
        await take(active, 1)
    (message,) = await take(standby, 1)
    assert (message.payload, message.duplicate) == (b"held by the active one", True)
    await asyncio.sleep(0.5)
    assert standby.connected
    assert standby.stats.connects == active.stats.connects == 1


async def test_a_delayed_will_does_not_fire_when_the_session_is_taken_over_in_time(mosquitto, open_session, take):
    listener = await open_session(mosquitto, "listener", subscriptions=[topic_filter("status")])
    will = Will("status", payload=b"offline", qos=QoS.AT_LEAST_ONCE, will_delay_interval=1)
    active = await open_session(mosquitto, "slot-0", will=will, reconnect_min_s=60)
    active._client._connection._transport.abort()
    active._client._task.cancel()
    await asyncio.sleep(0.3)
    second = await open_session(mosquitto, "slot-0", will=will)
    third = await open_session(mosquitto, "slot-0", will=will)
    assert await take(listener, 1, or_less_after_s=2.5) == []
    assert third.connected
    assert not second.connected
    third._client._connection._transport.abort()
    third._client._task.cancel()
    assert [m.payload for m in await take(listener, 1)] == [b"offline"]


@pytest.mark.parametrize(("with_will", "heard"), [(True, [b"offline"]), (False, [])])
async def test_leaving_publishes_the_will_only_if_asked_to(mosquitto, open_session, take, with_will, heard):
    listener = await open_session(mosquitto, "listener", subscriptions=[topic_filter("status")])
    session = await open_session(mosquitto, "leaver", will=WILL)
    await session.disconnect(with_will=with_will)
    assert [m.payload for m in await take(listener, 1, or_less_after_s=0.5)] == heard


async def test_a_session_can_be_forgotten_on_leaving(mosquitto, open_session):
    changes = []
    session = await open_session(mosquitto, "passing", on_change=changes.append)
    await session.disconnect()
    session = await open_session(mosquitto, "passing", on_change=changes.append)
    await session.disconnect(session_expiry_s=0)
    await open_session(mosquitto, "passing", on_change=changes.append)
    assert [c.session_present for c in changes if isinstance(c, Connected)] == [False, True, False]


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def certificates(tmp_path):
    """A CA, and certificates for a broker on 127.0.0.1 and for a client."""
    tmp_path.joinpath("san").write_text("subjectAltName=IP:127.0.0.1")
    key = ("-newkey", "rsa:2048", "-nodes")
    openssl(tmp_path, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=Test CA", "-days", "2")
    for name in ("broker", "client"):
        openssl(tmp_path, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            tmp_path,
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-out", f"{name}.crt", "-days", "2", "-extfile", "san"),
        )
    return tmp_path


@pytest.fixture
def tls_mosquitto(certificates, custom_mosquitto):
    return custom_mosquitto(
        "cafile {folder}/ca.crt",
        "certfile {folder}/broker.crt",
        "keyfile {folder}/broker.key",
        "require_certificate true",
        "use_identity_as_username true",
        "allow_anonymous false",
        files=certificates.glob("*.*"),
    )


async def test_a_client_certificate_opens_a_tls_connection(tls_mosquitto, certificates, open_session, take):
    tls = tls_context(
        ca_file=certificates / "ca.crt", cert_file=certificates / "client.crt", key_file=certificates / "client.key"
    )
    session = await open_session(tls_mosquitto, "secure", tls=tls, subscriptions=[topic_filter("t")])
    payload = bytes(300_000)
    await session.publish("t", payload, qos=QoS.EXACTLY_ONCE)
    assert [m.payload for m in await take(session, 1)] == [payload]
    session._client._connection._flush()
    session._client._connection._transport.abort()
    await session.publish("t", b"after reconnect", qos=QoS.AT_LEAST_ONCE)
    assert [m.payload for m in await take(session, 1)] == [b"after reconnect"]


async def test_no_connection_without_the_right_certificates(tls_mosquitto, certificates, open_session):
    nameless = await open_session(tls_mosquitto, "a", wait=False, tls=tls_context(ca_file=certificates / "ca.crt"))
    distrustful = await open_session(tls_mosquitto, "b", wait=False, tls=tls_context())
    await asyncio.sleep(0.5)
    assert not nameless.connected
    assert nameless.last_error
    assert not distrustful.connected
    assert "certificate verify failed" in distrustful.last_error


def test_it_works_on_uvloop_as_well(mosquitto):
    async def exchange():
        async with Session(
            host=mosquitto.host,
            port=mosquitto.port,
            client_id="uv",
            username=mosquitto.username,
            password=mosquitto.password,
            reconnect_min_s=0.1,
            subscriptions=[topic_filter("t")],
        ) as session:
            for qos in (QoS.AT_MOST_ONCE, QoS.AT_LEAST_ONCE, QoS.EXACTLY_ONCE):
                await session.publish("t", bytes(50_000), qos=qos)
                batch = await anext(session.batches())
                assert session.acknowledge(batch) == len([m for m in batch if m.packet_id])
            session._client._connection._transport.abort()
            await session.publish("t", b"again", qos=QoS.AT_LEAST_ONCE)
        return session.stats.connects

    assert uvloop.run(asyncio.wait_for(exchange(), 10)) == 2
