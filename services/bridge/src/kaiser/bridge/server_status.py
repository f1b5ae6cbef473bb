"""The retained ``server/status``, one a kaiser id: the only thing that tells ``head`` devices that somebody is there.

``offline`` makes every device switch its outputs to the safe state at once, so it must not flap. The session that owns
the topic has a fixed client id and a will that the broker delays: whoever connects with that client id within the
delay (a standby after a crash, the next process of a deploy) inherits the session, and nothing is published in between.
"""

import asyncio
import time
from typing import Final

import structlog

from kaiser.bridge.broker import Broker
from kaiser.bridge.profiles import Profiles
from kaiser.contracts import topics
from kaiser.contracts.downlink import encode_downlink
from kaiser.contracts.wire import ServerStatus
from kaiser.mqtt import Connected, QoS, Session, Will

log = structlog.get_logger(__name__)

DEFAULT_KAISER_ID: Final = "god"
LOOK_FOR_NEW_IDS_S: Final = 1.0
MOST_KAISER_IDS: Final = 256
"""The kaiser level of a topic is the device's to choose, and each costs a session: a hostile one must not open more."""


class StatusKeeper:
    """Keeps ``server/status`` online for every kaiser id that a ``head`` device uses.

    Args:
        broker: Where and as whom to connect.
        profiles: Tells the kaiser ids in use.
        will_delay_s: How long a successor may take before the broker says ``offline``.
    """

    def __init__(self, broker: Broker, profiles: Profiles, *, will_delay_s: int) -> None:
        self._broker = broker
        self._profiles = profiles
        self._will_delay_s = will_delay_s
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Keep until cancelled; then the broker says ``offline`` after the delay, unless a successor connects.

        Raises:
            TakenOver: Another bridge keeps the status now.
        """
        try:
            while True:
                for kaiser_id in (DEFAULT_KAISER_ID, *sorted(self._profiles.kaiser_ids() - self._tasks.keys())):
                    if kaiser_id not in self._tasks and len(self._tasks) < MOST_KAISER_IDS:
                        self._tasks[kaiser_id] = asyncio.create_task(self._keep(kaiser_id))
                        if len(self._tasks) == MOST_KAISER_IDS:
                            log.warning("no further kaiser id gets a server status", most=MOST_KAISER_IDS)
                await asyncio.wait(self._tasks.values(), timeout=LOOK_FOR_NEW_IDS_S, return_when="FIRST_COMPLETED")
                for task in self._tasks.values():
                    if task.done():
                        task.result()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _keep(self, kaiser_id: str) -> None:
        topic = topics.server_status(kaiser_id)
        connected = asyncio.Event()
        async with self._session(kaiser_id, topic, connected) as session:
            announcing = asyncio.create_task(_announce(session, topic, connected))
            try:
                async for _ in session.batches():
                    pass  # nothing is subscribed; this ends when another bridge takes the session over
            except asyncio.CancelledError:
                await session.disconnect(with_will=True)
                raise
            finally:
                announcing.cancel()

    def _session(self, kaiser_id: str, topic: str, connected: asyncio.Event) -> Session:
        offline = ServerStatus(status="offline", timestamp=int(time.time()), reason="unexpected_disconnect")
        will = Will(
            topic,
            payload=encode_downlink(topic, offline),
            qos=QoS.AT_LEAST_ONCE,
            retain=True,
            will_delay_interval=self._will_delay_s,
        )
        return self._broker.session(
            f"kaiser-status-{kaiser_id}",
            will=will,
            session_expiry_s=2 * self._will_delay_s,
            on_change=lambda change: connected.set() if isinstance(change, Connected) else None,
        )


async def _announce(session: Session, topic: str, connected: asyncio.Event) -> None:
    while True:
        await connected.wait()
        connected.clear()
        online = ServerStatus(status="online", timestamp=int(time.time()))
        await session.publish(topic, encode_downlink(topic, online), qos=QoS.AT_LEAST_ONCE, retain=True)
        log.info("server status is online", topic=topic)
