"""Wires safety."""

from kaiser.contracts.streams import DEADLETTER, DOWNLINK, SAFETY
from kaiser.eventlog import connect, ensure_streams
from kaiser.roster import Roster
from kaiser.safety.settings import SafetySettings
from kaiser.service import Frame


async def serve(frame: Frame, settings: SafetySettings) -> None:
    """Run safety until it is told to stop."""
    nats = settings.nats
    async with await connect(nats.url, name="safety", user=nats.user, password=nats.password) as log:
        frame.health.connected("event log", lambda: log.connected, whom="NATS")
        await ensure_streams(log, (SAFETY, DOWNLINK, DEADLETTER))
        roster = Roster()
        frame.spawn("roster", roster.follow(log))
        await roster.wait_caught_up()
        await frame.until_stopped()
