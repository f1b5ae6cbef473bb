"""Wires the bridge."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from kaiser.bridge import profiles as cache
from kaiser.bridge.access_keeper import AccessKeeper
from kaiser.bridge.broker import Broker
from kaiser.bridge.consumers import Slot
from kaiser.bridge.emergency_keeper import EmergencyKeeper
from kaiser.bridge.lease import DeadMansSwitch
from kaiser.bridge.lease_lost import LostReports
from kaiser.bridge.metrics import BridgeMetrics
from kaiser.bridge.profiles import Profiles
from kaiser.bridge.registry import Keys, follow_registry
from kaiser.bridge.replaying import Replays
from kaiser.bridge.responder import Responder
from kaiser.bridge.roles import LEASE_TTL_S, LateLease, Role
from kaiser.bridge.safeguards import Safeguards
from kaiser.bridge.server_status import StatusKeeper
from kaiser.bridge.settings import BridgeOptions, BridgeSettings
from kaiser.bridge.sharing import Sharing
from kaiser.bridge.stopping import Stopping
from kaiser.contracts.streams import ACTUATORS, DEADLETTER, DEVICES, DOWNLINK, HEARTBEATS, SAFETY, TELEMETRY_RAW
from kaiser.eventlog import connect, ensure_streams
from kaiser.eventlog.kv import Lease
from kaiser.service import Frame, run
from kaiser.service.answering import Answerer
from kaiser.service.health import Finding, State

log = structlog.get_logger(__name__)

BUCKET: Final = "bridge"
SAVE_EVERY_S: Final = 5.0
OWNS: Final = (TELEMETRY_RAW, DEVICES, HEARTBEATS, ACTUATORS, SAFETY, DOWNLINK, DEADLETTER)
"""What it writes to, and SAFETY, so that a stop finds a stream and somebody who hears it before safety ever ran."""


async def serve(frame: Frame, settings: BridgeSettings) -> None:
    """Run one bridge until it is told to stop."""
    options, nats = settings.bridge, settings.nats
    metrics = BridgeMetrics(frame.registry)
    broker, keys = Broker(settings.mqtt), Keys()
    async with _profiles(options.state_dir / "profiles.json") as profiles:
        late = LateLease()
        keeper = StatusKeeper(broker, profiles, will_delay_s=options.will_delay_s)
        front = Role("front", late, partial(_front, broker, profiles, metrics, keeper), assume=True)
        frame.spawn("front", front.run())
        stopping = Stop(broker, options, metrics)
        emergency = Role("emergency", stopping.lease, stopping.keeper.work, assume=True)
        frame.spawn("emergency", emergency.run())
        async with await connect(nats.url, name="bridge", user=nats.user, password=nats.password) as event_log:
            frame.health.event_log(
                event_log,
                name="nats",
                whom=f"NATS at {nats.url}",
                meanwhile="the broker keeps what devices say, and emergency stops that are in force are still told",
            )
            await ensure_streams(event_log, OWNS)
            lease = partial(Lease, event_log, BUCKET, holder=options.name, ttl_s=LEASE_TTL_S)
            late.is_there(lease("front"))
            stopping.lease.is_there(lease("emergency"))
            frame.spawn("safeguards", stopping.safeguards.follow(event_log))
            frame.spawn("lease_lost", stopping.reports.write(event_log))
            frame.spawn("registry", follow_registry(event_log, profiles, keys))
            answerer = Answerer("bridge", Replays(event_log, profiles).requests())
            await answerer.serve(event_log.nc)
            frame.on_stop(answerer.close)
            slot = partial(Slot, options=options, broker=broker, event_log=event_log, profiles=profiles)
            forbids = stopping.forbids
            slots = [slot(n, metrics=metrics, forbids=forbids) for n in range(options.slots)]
            sharing = Sharing(event_log, BUCKET, name=options.name, slots=options.slots)
            roles = [Role(s.client_id, lease(s.client_id), s.work, wanted=sharing.wants_more) for s in slots]
            sharing.roles = roles
            if settings.access.user:
                secret = settings.device_key.secret.encode()
                as_keeper = broker.as_user(settings.access.user, settings.access.password)
                access = AccessKeeper(as_keeper, keys, secret, metrics)
                roles_of_one = Role("access", lease("access"), access.run)
                frame.spawn(roles_of_one.name, roles_of_one.run())
            if options.slots > 1:
                frame.spawn("sharing", sharing.run())
            for role in roles:
                frame.spawn(role.name, role.run())
            metrics.watch(
                devices=lambda: len(profiles),
                queued=lambda: sum(slot.queued for slot in slots),
                waiting=lambda: sum(slot.downlinks.lag for slot in slots),
            )
            frame.health.add("uplink", partial(_uplink_health, slots, roles))
            frame.health.add("emergency", partial(_emergency_health, stopping.keeper, emergency))
            await frame.until_stopped()


class Stop:
    """The parts of the emergency path, which live before the log is there."""

    def __init__(self, broker: Broker, options: BridgeOptions, metrics: BridgeMetrics) -> None:
        self.actuators, switch = Stopping(), DeadMansSwitch(options.safety_lease_s)
        self._switch = switch
        self.lease = LateLease()
        self.reports = LostReports()
        self.keeper = EmergencyKeeper(
            broker, self.actuators, switch, self.reports, metrics, broadcast_token=options.broadcast_token
        )
        self.safeguards = Safeguards(self.actuators, switch, options.state_dir / "holds.json", self.keeper.wake.set)

    def forbids(self, esp_id: str, gpio: int) -> str:
        """Code of why an actuator may not be switched on now; every bridge sends, and one has the role of stopping."""
        return self.actuators.forbids(esp_id, gpio, unheard=self._switch.unheard(asyncio.get_running_loop().time()))


async def _front(broker: Broker, profiles: Profiles, metrics: BridgeMetrics, keeper: StatusKeeper) -> None:
    """What only one bridge does: answer heartbeats, then say that the server is there."""
    responder = Responder(broker, profiles, metrics)
    answering = asyncio.create_task(responder.run(), name="bridge.heartbeats")
    keeping: asyncio.Task[None] | None = None
    try:
        await responder.session.wait_connected()
        keeping = asyncio.create_task(keeper.run(), name="bridge.server_status")
        done, _ = await asyncio.wait((answering, keeping), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        tasks = [task for task in (answering, keeping) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def _profiles(path: Path) -> AsyncIterator[Profiles]:
    """The cache of devices, written to disk every few seconds while it changes, and at the end."""
    profiles = cache.load(path)

    async def keep() -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY_S)
            if profiles.changed:
                await asyncio.to_thread(cache.save, path, profiles.encode())

    keeping = asyncio.create_task(keep(), name="bridge.profiles")
    try:
        yield profiles
    finally:
        keeping.cancel()
        cache.save(path, profiles.encode())


def _uplink_health(slots: list[Slot], roles: list[Role]) -> Finding:
    """Ready as a standby too; not while a slot is ours and does not carry."""
    for slot, role in zip(slots, roles, strict=True):
        if role.standby:
            continue
        if slot.session is None or not slot.session.connected:
            reason = (slot.session.last_error if slot.session else None) or "connecting"
            words = f"{slot.client_id} is not connected to the broker ({reason}): no device is heard or told"
            return Finding(State.STARTING, words)
        if slot.uplink is not None and slot.uplink.holding_back is not None:
            words = (
                f"{slot.client_id} holds back PUBACKs ({slot.uplink.holding_back}): the broker keeps what devices say"
            )
            return Finding(State.FAILING, words)
    return Finding(State.OK, "" if any(role.held for role in roles) else "standby: other bridges have every slot")


def _emergency_health(keeper: EmergencyKeeper, role: Role) -> Finding:
    """Ready as a standby too; not while stops are ours to say and nobody would hear them."""
    if role.held and (keeper.session is None or not keeper.session.connected):
        words = "the session for emergency stops is not connected to the broker: no device would hear one"
        return Finding(State.STARTING, words)
    return Finding(State.OK, "" if role.held else "standby: another bridge says emergency stops")


def main() -> None:
    """Run the bridge as a process."""
    run("bridge", BridgeSettings, serve)
