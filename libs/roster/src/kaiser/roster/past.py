"""A device as it was, by the events up to a moment and the fold of today."""

from typing import Final, NamedTuple

from kaiser.contracts.streams import DEVICES, HEARTBEATS
from kaiser.contracts.subjects import token
from kaiser.eventlog import EventLog, last_before, up_to
from kaiser.roster.following import learnt, subjects_of
from kaiser.roster.member import STRANGER, Member, learn

MOST_EVENTS: Final = 50_000


class MemberThen(NamedTuple):
    """A device at a moment.

    Attributes:
        member: What was known of it.
        seq: Sequence in DEVICES of the last event that counts; 0 for none, and then it is a stranger.
        events: How many count.
    """

    member: Member
    seq: int
    events: int


async def member_at(log: EventLog, esp_id: str, at: int, *, seq: int = 0) -> MemberThen:
    """What every service knew of a device: all that was decided about it, and its last heartbeat.

    Args:
        log: The connection.
        esp_id: Which device.
        at: What was stored then counts, unix microseconds.
        seq: Of DEVICES nothing behind this sequence counts; 0 for none.

    Raises:
        TooManyEvents: Too much happened to it.
        nats.js.errors.NotFoundError: There is no such stream.
    """
    member: Member = STRANGER
    count = last_seq = 0
    async for delivery in up_to(log, DEVICES.name, subjects_of(esp_id), at, seq=seq, most=MOST_EVENTS):
        member = _learnt(member, delivery.type, delivery.data)
        count, last_seq = count + 1, delivery.seq
    beat = await last_before(log, HEARTBEATS.name, f"heartbeat.*.{token(esp_id)}", at + 1)
    if beat is not None:
        member = _learnt(member, beat.event.type, beat.event.data)
    return MemberThen(member, last_seq, count)


def _learnt(member: Member, event_type: str, body: bytes) -> Member:
    try:
        return learn(member, learnt(event_type, body))
    except ValueError:  # as everywhere, it teaches nothing
        return member
