"""Wires the actuator service."""

from kaiser.actuator.settings import ActuatorSettings
from kaiser.contracts.streams import ACTUATORS, DEADLETTER, DOWNLINK
from kaiser.eventlog import connect, ensure_streams
from kaiser.roster import Roster
from kaiser.service import Frame


async def serve(frame: Frame, settings: ActuatorSettings) -> None:
    """Run the actuator service until it is told to stop."""
    nats = settings.nats
    async with await connect(nats.url, name="actuator", user=nats.user, password=nats.password) as log:
        frame.health.connected("event log", lambda: log.connected, whom="NATS")
        await ensure_streams(log, (ACTUATORS, DOWNLINK, DEADLETTER))
        roster = Roster()
        frame.spawn("roster", roster.follow(log))
        await roster.wait_caught_up()
        await frame.until_stopped()
