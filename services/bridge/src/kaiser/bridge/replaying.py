"""Takes a dead-lettered message once more, as though the broker had just handed it over.

Only what says how things *were* is taken: readings, which carry their own time, and faults. What says how things *are*
(a status, a heartbeat, a last will, an answer) would be believed though it is out of date; the device says it again.
"""

from typing import Final

import msgspec
from mqtt5 import PublishPacket

from kaiser.bridge.profiles import Profiles
from kaiser.bridge.sorting import Sorter
from kaiser.contracts import wire
from kaiser.contracts.codes import Code
from kaiser.contracts.deadlettering import MessageReplayed, ReplayMessage
from kaiser.contracts.refusals import Refusal
from kaiser.contracts.streams import DEVICES
from kaiser.contracts.uplink import Accepted, Ignored, decode_uplink
from kaiser.eventlog import Event, EventLog, replay
from kaiser.service.answering import Requests

SESSION: Final = "replay"
"""Stands where the events of the broker's messages name their MQTT session."""
TAKEN: Final = (wire.SensorData, wire.SystemError)
"""What says how things were."""


class Replays:
    """Answers for all bridges alike, whether they have a slot or stand by: it needs the log and no broker.

    Args:
        event_log: Where the events go.
        profiles: What is known of the devices, which a message of the past does not change.
    """

    def __init__(self, event_log: EventLog, profiles: Profiles) -> None:
        self._log = event_log
        self._profiles = profiles

    def requests(self) -> Requests:
        """What it answers."""
        return {"command.bridge.replay": (ReplayMessage, self.replay)}

    async def replay(self, asked: ReplayMessage, _: int) -> MessageReplayed:
        """Store what a message says, once for one try, and return when it is stored.

        Raises:
            Refusal: It is refused as before, or is none that may be replayed.
        """
        events = sorted_again(asked, self._profiles)
        there = await self._stored(events, asked.ordered_at)
        await self._log.publish_all([event for event in events if event.id not in there])
        return MessageReplayed(event_ids=tuple(event.id for event in events))

    async def _stored(self, events: list[Event], ordered_at: int) -> set[str]:
        """Which of them an earlier answer to the same try has stored, of which nobody heard.

        Readings need no looking: they have the identity that they had the first time, by which everybody knows them.
        """
        found: set[str] = set()
        for event in events:
            if event.subject.startswith("device."):
                there = replay(self._log, DEVICES.name, subjects=(event.subject,), from_time_us=ordered_at)
                found |= {delivery.id async for delivery in there}
        return found


def sorted_again(asked: ReplayMessage, profiles: Profiles) -> list[Event]:
    """The events that a message is, under ids of this try. Pure.

    Raises:
        Refusal: It is refused as before, or is none that may be replayed.
    """
    outcome = decode_uplink(asked.topic, asked.payload)
    if isinstance(outcome, Ignored):
        raise Refusal(Code.REPLAY_REFUSED, f"nothing would come of it: {outcome.reason}", "payload")
    if not isinstance(outcome, Accepted):
        raise Refusal(outcome.code, outcome.detail, outcome.where)
    if not isinstance(outcome.message, TAKEN):
        words = (
            f"a message of the kind {outcome.kind} says how things are, which was long ago; the device says it again"
        )
        raise Refusal(Code.REPLAY_REFUSED, words, "topic")
    known = profiles.get(outcome.topic.esp_id)
    copy = {outcome.topic.esp_id: msgspec.structs.replace(known, lost_at=0)} if known else None
    events = Sorter(SESSION, Profiles(copy)).sort([PublishPacket(asked.topic, asked.payload)], asked.received_at)
    return [
        msgspec.structs.replace(event, id=f"replay.{asked.replay_id}.{number}") for number, event in enumerate(events)
    ]
