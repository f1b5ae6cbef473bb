"""Keeps the broker's clients and rights as the registry has them, whoever was restarted or lost what it knew."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from itertools import islice
from typing import Any, Final

import msgspec
import structlog

from kaiser.bridge import access
from kaiser.bridge.access import Command
from kaiser.bridge.broker import Broker
from kaiser.bridge.metrics import BridgeMetrics
from kaiser.bridge.registry import Keys
from kaiser.contracts import devicekeys
from kaiser.mqtt import Connected, MqttError, QoS, Session, topic_filter

log = structlog.get_logger(__name__)

CLIENT_ID: Final = "kaiser-access"
TOPIC: Final = "$CONTROL/dynamic-security/v1"
ANSWERS: Final = topic_filter(f"{TOPIC}/response", max_qos=QoS.AT_LEAST_ONCE)
ANSWER_WITHIN_S: Final = 10.0
AT_ONCE: Final = 50
"""Devices in one message: the plugin writes its whole file after each command, and serves nobody meanwhile."""
PAGE: Final = 500
AGAIN_AFTER_S: Final = 1.0
LOOK_EVERY_S: Final = 300.0
"""Somebody else may have changed the broker."""
HARMLESS: Final = frozenset({"Role not found", "Client not found"})


class RefusedError(Exception):
    """The plugin refused a command."""


class AccessKeeper:
    """Applies the registry's keys to the broker.

    Args:
        broker: Where to connect, as somebody who may use the plugin's topics and nothing else.
        keys: What the registry decided.
        secret: Secret of the site that keys are derived from.
        metrics: Where to count.
    """

    def __init__(self, broker: Broker, keys: Keys, secret: bytes, metrics: BridgeMetrics) -> None:
        self._keys = keys
        self._secret = secret
        self._metrics = metrics
        self._broker = broker
        self._found: dict[str, str] | None = None
        self._answers: asyncio.Queue[Any] = asyncio.Queue()

    async def run(self) -> None:
        """Keep until cancelled.

        Raises:
            TakenOver: Another bridge keeps access now.
        """
        self._found = None
        answers = self._broker.session(CLIENT_ID, subscriptions=(ANSWERS,), clean_start=True, on_change=self._changed)
        async with answers as session:
            keeping = asyncio.create_task(self._keep(session), name="bridge.access.keep")
            try:
                async for batch in session.batches():
                    for message in batch:
                        self._answers.put_nowait(message.payload)
                    session.acknowledge(batch)
            finally:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)

    def _changed(self, change: object) -> None:
        if isinstance(change, Connected):
            self._found = None  # the broker may have been restarted without its file
            self._keys.changed.set()

    async def _keep(self, session: Session) -> None:
        while True:
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._keys.changed.wait()
            except TimeoutError:
                self._found = None
            if not self._keys.known:
                self._keys.changed.clear()
                continue
            try:
                await session.wait_connected()
                self._keys.changed.clear()
                await self._apply(session)
            except (MqttError, TimeoutError, RefusedError, msgspec.MsgspecError) as error:
                log.warning("the broker's clients are not as they should be, trying again", reason=str(error))
                self._found = None
                self._keys.changed.set()
                await asyncio.sleep(AGAIN_AFTER_S)

    async def _apply(self, session: Session) -> None:
        began = time.monotonic()
        if self._found is None:
            self._found = {}
            async for page in self._pages(session):
                self._found |= access.keys_of(page)
        wanted = dict(self._keys.by_device)
        each = access.changes(wanted, self._found, lambda e, k: devicekeys.derive(self._secret, e, k))
        done = 0
        while some := list(islice(each, AT_ONCE)):
            await self._ask(session, [command for commands in some for command in commands])
            done += len(some)
        self._found = wanted
        self._metrics.access_clients.set(len(wanted))
        if done:
            log.info("access of devices", changed=done, devices=len(wanted), took_s=round(time.monotonic() - began, 3))

    async def _pages(self, session: Session) -> AsyncIterator[dict[str, Any]]:
        offset = 0
        while True:
            (answer,) = await self._ask(
                session, [{"command": "listClients", "verbose": True, "count": PAGE, "offset": offset}]
            )
            page = answer["data"]
            yield page
            offset += PAGE
            if offset >= page["totalCount"]:
                return

    async def _ask(self, session: Session, commands: Sequence[Command]) -> list[dict[str, Any]]:
        """Send commands and return what the plugin answered to each.

        Raises:
            RefusedError: It refused one.
            TimeoutError: It did not answer.
        """
        while not self._answers.empty():  # answers to what was given up
            self._answers.get_nowait()
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await session.publish(TOPIC, msgspec.json.encode({"commands": commands}), qos=QoS.AT_LEAST_ONCE)
            answers: list[dict[str, Any]] = msgspec.json.decode(await self._answers.get())["responses"]
        for answer in answers:
            if answer.get("error") and answer["error"] not in HARMLESS:
                raise RefusedError(f"{answer.get('command')}: {answer['error']}")
        return answers
