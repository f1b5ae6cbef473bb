"""From MQTT messages to events: what each message becomes, and where it goes. No I/O."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from mqtt5 import PublishPacket

from kaiser.bridge import identity
from kaiser.bridge.profiles import Profile, Profiles
from kaiser.bridge.redacting import as_received
from kaiser.bridge.telemetry import Gathering
from kaiser.bridge.told import Told
from kaiser.contracts import subjects, topics
from kaiser.contracts.events import codec
from kaiser.contracts.events.catalogue import SAID
from kaiser.contracts.events.deadletter import DeadLetter, DeadLetters
from kaiser.contracts.events.device import DeviceDiscovered, DeviceReturned, DeviceSaid, Generation
from kaiser.contracts.events.telemetry import RawReadings
from kaiser.contracts.topics import UplinkKind
from kaiser.contracts.uplink import Accepted, Ignored, decode_uplink, looks_like_head
from kaiser.contracts.wire import Heartbeat, LastWill, SensorData, SessionAnnounce
from kaiser.eventlog import Event, new_id

SOURCE: Final = "kaiser/bridge"
LETTERS_A_BATCH: Final = 50
"""Dead letters in one event: 50 of the largest payload accepted (16 KiB, base64) stay below NATS' limit of 1 MB."""


class Sorter:
    """Turns the messages of one MQTT session into events.

    Args:
        session: MQTT client id.
        profiles: What is known of the devices; the sorter adds what the messages tell.
        told: What devices may be answering.

    Attributes:
        deliveries: What the log holds of this session.
        counted: Messages since the counter was last cleared, by what became of them: ``reading``, ``event``,
            ``dead_letter``, ``ignored`` or ``repeated``.
        outdated_wills: Topics of last wills that the broker still retains although the device is back.
    """

    def __init__(self, session: str, profiles: Profiles, told: Told | None = None) -> None:
        self.deliveries = identity.Deliveries()
        self.counted: Counter[str] = Counter()
        self.outdated_wills: list[str] = []
        self._session = session
        self._profiles = profiles
        self._told = Told() if told is None else told
        self._gathering = Gathering(session)
        self._events: list[Event] = []
        self._letters: list[DeadLetter] = []
        self._delivered: list[int] = []

    def sort(self, messages: Iterable[PublishPacket], now_us: int) -> list[Event]:
        """The events that these messages are, readings gathered in batches, in an order that keeps each device's.

        Args:
            messages: In the order received.
            now_us: When the first was taken from the broker, unix microseconds; the others follow a microsecond
                apart, so that the order of arrival can be told from the times.
        """
        for offset, message in enumerate(messages):
            self._sort_one(message, now_us + offset)
        for subject, batch in self._gathering.batches():
            body = codec.encode(batch)
            message_id = f"{self._session}.{identity.digest(body):016x}"
            self._add(subject, RawReadings.TYPE, body, now_us, message_id)
        self._close_letters(now_us)
        events, self._events = self._events, []
        return events

    def logged(self) -> None:
        """The log has acknowledged everything that was sorted: should it be delivered again, it is not news."""
        for delivery in self._delivered:
            self.deliveries.remember(delivery)
        self._delivered.clear()

    def _sort_one(self, message: PublishPacket, now_us: int) -> None:
        payload = message.payload  # which makes a copy each time
        payload_digest = identity.digest(payload)
        delivery = identity.delivery(payload_digest, message.packet_id)
        if message.duplicate and delivery in self.deliveries:
            self.counted["repeated"] += 1
            return
        if delivery:
            self._delivered.append(delivery)
        outcome = decode_uplink(message.topic, payload, retained=message.retain)
        if isinstance(outcome, Accepted):
            self._accept(outcome, message, payload, payload_digest, delivery, now_us)
        elif isinstance(outcome, Ignored):
            self.counted["ignored"] += 1
        else:
            self.counted["dead_letter"] += 1
            self._letters.append(
                DeadLetter(
                    code=outcome.code,
                    detail=outcome.detail,
                    where=outcome.where,
                    payload=payload,
                    received_at=now_us,
                    topic=message.topic,
                )
            )
            if len(self._letters) >= LETTERS_A_BATCH:
                self._close_letters(now_us)

    def _accept(
        self,
        outcome: Accepted,
        message: PublishPacket,
        payload: bytes,
        payload_digest: int,
        delivery: int,
        now_us: int,
    ) -> None:
        topic, said = outcome.topic, outcome.message
        profile = self._profiles.get(topic.esp_id)
        if profile is None:
            profile = self._discover(outcome, message, now_us)
        elif profile.lost_at and type(said) is not LastWill:
            self._return(topic.esp_id, profile, message, now_us)
        if type(said) is SensorData:
            if said.seq is not None and profile.generation == "dec":
                self._profiles.learn(profile, generation="head")
            self.counted["reading"] += 1
            self._gathering.add(
                topic.kaiser_id,
                topic.esp_id,
                said,
                payload=payload,
                dup=message.duplicate,
                payload_digest=payload_digest,
                delivery=delivery,
                boot=profile.boot,
                received_at=now_us,
                flags=",".join(outcome.flags),
            )
            return
        self.counted["event"] += 1
        self._learn(profile, outcome, now_us)
        kind = SAID[type(said)]
        body: DeviceSaid[Any] = DeviceSaid(
            kaiser_id=topic.kaiser_id,
            esp_id=topic.esp_id,
            generation=profile.generation,
            received_at=now_us,
            flags=",".join(outcome.flags),
            message=said,
            mqtt=as_received(message),
        )
        message_id = f"{self._session}.{delivery:016x}" if delivery else None
        cause = self._told.cause(topic.esp_id, said)
        self._add(kind.subject_for(topic), kind.name, codec.encode(body), now_us, message_id, cause)

    def _learn(self, profile: Profile, outcome: Accepted, now_us: int) -> None:
        said = outcome.message
        learn = self._profiles.learn
        if not outcome.topic.literal_kaiser_id:
            learn(profile, kaiser_id=outcome.topic.kaiser_id)
        if profile.generation == "dec" and looks_like_head(said):
            learn(profile, generation="head")
        if type(said) is Heartbeat and said.boot_sequence_id:
            learn(profile, boot=said.boot_sequence_id)
        elif type(said) is SessionAnnounce:
            learn(profile, announced_epoch=said.handover_epoch)
        elif type(said) is LastWill:
            learn(profile, lost_at=now_us)

    def _discover(self, outcome: Accepted, message: PublishPacket, now_us: int) -> Profile:
        topic = outcome.topic
        generation: Generation = "head" if looks_like_head(outcome.message) else "dec"
        profile = self._profiles.add(topic.esp_id, Profile(kaiser_id=topic.kaiser_id, generation=generation))
        event = DeviceDiscovered(
            kaiser_id=topic.kaiser_id,
            esp_id=topic.esp_id,
            generation=generation,
            received_at=now_us,
            mqtt=as_received(message),
        )
        subject = subjects.device(topic.kaiser_id, topic.esp_id, "discovered")
        self._add(subject, event.TYPE, codec.encode(event), now_us, None)
        return profile

    def _return(self, esp_id: str, profile: Profile, message: PublishPacket, now_us: int) -> None:
        event = DeviceReturned(
            kaiser_id=profile.kaiser_id,
            esp_id=esp_id,
            generation=profile.generation,
            received_at=now_us,
            lost_at=profile.lost_at,
            mqtt=as_received(message),
        )
        subject = subjects.device(profile.kaiser_id, esp_id, "returned")
        self._add(subject, event.TYPE, codec.encode(event), now_us, None)
        self._profiles.learn(profile, lost_at=0)
        self.outdated_wills.append(topics.uplink(UplinkKind.LAST_WILL, profile.kaiser_id, esp_id))

    def _close_letters(self, now_us: int) -> None:
        if self._letters:
            letters, self._letters = self._letters, []
            body = codec.encode(DeadLetters(service="bridge", letters=letters))
            self._add(subjects.deadletter("bridge"), DeadLetters.TYPE, body, now_us, None)

    def _add(
        self, subject: str, event_type: str, body: bytes, now_us: int, message_id: str | None, cause: str = ""
    ) -> None:
        self._events.append(
            Event(
                subject=subject,
                type=event_type,
                data=body,
                source=SOURCE,
                time=now_us,
                id=message_id or new_id(),
                traceparent=cause,
            )
        )
