"""What rules have to say, told to whom it concerns: beside the rules, which never wait for it.

Those on the WebSocket come with the stream itself. Others are tried again, first after half a second and then after
twice as long up to a minute, until their target has them or they are too old to be of use; then they are dead letters.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec
import structlog
from msgspec import Meta
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily

from kaiser.contracts.codes import Code
from kaiser.contracts.events.codec import EventDecoder
from kaiser.contracts.events.logic import NotificationAsked
from kaiser.contracts.streams import LOGIC
from kaiser.eventlog import ConsumerSpec, Delivery, Unprocessable, now_us
from kaiser.logic.delivering import Channel, Undelivered, identity
from kaiser.logic.times import SECOND

_log = structlog.get_logger(__name__)

NOTIFICATIONS: Final = ConsumerSpec(
    stream=LOGIC.name, durable="logic-notifications", subjects=("logic.run.>",), start="new", max_ack_pending=10_000
)
"""From the first start of logic on; nobody wants to be told what rules had to say months ago."""
MAX_TRIES: Final = 10_000
"""That a notification is too old comes first."""
FIRST_PAUSE: Final = SECOND // 2
LONGEST_PAUSE: Final = 60 * SECOND
MOST_WAITING: Final = 200
"""For one target; it must not take the place of all others, of which there may be as many as people have mail."""
TURN: Final = 10 * SECOND
"""One target may keep a batch, and with it all others, for so long and for the try that it is at."""
REMEMBERED: Final = 10_000

_decoder = EventDecoder({NotificationAsked.TYPE: NotificationAsked})


class NotifySettings(msgspec.Struct, frozen=True, kw_only=True):
    """``KAISER_NOTIFY_…``.

    Attributes:
        webhooks: Targets by name, JSON: ``{"office": {"url": "https://…", "secret": "…"}}``; best given as a file.
        give_up_s: Age at which a notification is not tried any more, seconds.
        timeout_s: Patience with each step of a request to a webhook, seconds.
        ca_file: Whom to trust beside the public authorities, for webhooks.
    """

    webhooks: str = ""
    give_up_s: Annotated[float, Meta(gt=0, le=86_400)] = 3600.0
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 10.0
    ca_file: Path | None = None


class Pace(msgspec.Struct):
    """How it goes with a target.

    Attributes:
        failures: Tries in a row that failed.
        not_before: When it is tried next, unix microseconds.
        waiting: Notifications that wait for it, by sequence.
    """

    failures: int = 0
    not_before: int = 0
    waiting: set[int] = msgspec.field(default_factory=set)


class Notifying:
    """Tells targets.

    Args:
        channels: By the name that rules have for them.
        settings: When to give up.
        clock: Unix microseconds.

    Attributes:
        delivered: How many notifications targets have taken, by channel.
        failed: How many never reached theirs.
    """

    def __init__(
        self, channels: Mapping[str, Channel], settings: NotifySettings, clock: Callable[[], int] = now_us
    ) -> None:
        self.delivered = dict.fromkeys(channels, 0)
        self.failed = dict.fromkeys(channels, 0)
        self._channels = channels
        self._give_up = round(settings.give_up_s * SECOND)
        self._clock = clock
        self._settled: dict[int, Unprocessable | None] = {}
        self._paces: dict[tuple[str, str], Pace] = {}

    def collect(self) -> Iterable[Metric]:
        """What became of notifications, now."""
        family = CounterMetricFamily(
            "kaiser_logic_notifications", "Notifications by what became of them.", labels=["channel", "outcome"]
        )
        for outcome, counts in (("delivered", self.delivered), ("failed", self.failed)):
            for channel, count in counts.items():
                family.add_metric([channel, outcome], count)
        yield family

    async def handle(self, deliveries: list[Delivery]) -> None:
        """Try every notification of a batch at once, each of a target's after the one before.

        Raises:
            Undelivered: One was not taken; those that were are remembered, and not told again.
            Unprocessable: The only one cannot be delivered for good, or is too old.
        """
        asked = [(each, found) for each in deliveries if (found := self._asked(each)) is not None]
        by_target: dict[tuple[str, str], list[tuple[Delivery, NotificationAsked]]] = {}
        for delivery, found in asked:
            by_target.setdefault((found.channel, found.target), []).append((delivery, found))
        outcomes = await asyncio.gather(*(self._tell(target, each) for target, each in by_target.items()))
        problems = [problem for outcome in outcomes for problem in outcome]
        if problems:
            # Of several the consumer makes halves, down to the one that is to blame
            raise problems[0] if len(deliveries) == 1 else Undelivered(f"{len(problems)} were not taken")

    def _asked(self, delivery: Delivery) -> NotificationAsked | None:
        """What is to be told; None for what is not, or was."""
        if delivery.type != NotificationAsked.TYPE or self._settled.get(delivery.seq, delivery) is None:
            return None
        try:
            asked: NotificationAsked = _decoder.decode(delivery.type, delivery.data)
        except (msgspec.DecodeError, ValueError) as error:
            raise Unprocessable(Code.INVALID_PAYLOAD_FORMAT, str(error)) from error
        return asked if asked.channel in self._channels else None

    async def _tell(
        self, target: tuple[str, str], all_of_it: list[tuple[Delivery, NotificationAsked]]
    ) -> list[Exception]:
        problems: list[Exception] = []
        pace = self._paces.setdefault(target, Pace())
        end = self._clock() + TURN
        for delivery, asked in all_of_it:
            if self._clock() > end:
                problems.append(Undelivered("its target is slow, and others have their turn"))
                continue
            problem = await self._try(pace, delivery, asked)
            if problem is None or isinstance(problem, Unprocessable):
                pace.waiting.discard(delivery.seq)
            if problem is not None:
                problems.append(problem)
        if not pace.waiting and not pace.failures:
            self._paces.pop(target, None)
        return problems

    async def _try(self, pace: Pace, delivery: Delivery, asked: NotificationAsked) -> Exception | None:
        now, channel = self._clock(), asked.channel
        if (verdict := self._settled.get(delivery.seq)) is not None:
            return verdict  # it was in a larger batch before
        if now - delivery.stored_at > self._give_up:
            return self._given_up(delivery, asked, f"not taken within {self._give_up // SECOND} s")
        if delivery.seq not in pace.waiting and len(pace.waiting) >= MOST_WAITING:
            return self._given_up(delivery, asked, f"{MOST_WAITING} others wait for this target, which takes nothing")
        pace.waiting.add(delivery.seq)
        if now < pace.not_before:
            return Undelivered("its target has to rest")
        try:
            await self._channels[channel].deliver(asked, now)
        except Undelivered as problem:
            if problem.for_good:
                return self._given_up(delivery, asked, str(problem))
            pace.failures += 1
            pace.not_before = self._clock() + min(FIRST_PAUSE << min(pace.failures - 1, 20), LONGEST_PAUSE)
            return problem
        pace.failures, pace.not_before = 0, 0
        self.delivered[channel] += 1
        self._settle(delivery, None)
        return None

    def _given_up(self, delivery: Delivery, asked: NotificationAsked, detail: str) -> Unprocessable:
        self.failed[asked.channel] += 1
        _log.warning("a notification is given up", id=identity(asked), target=asked.target, reason=detail)
        verdict = Unprocessable(Code.NOTIFICATION_FAILED, detail, where="target")
        self._settle(delivery, verdict)
        return verdict

    def _settle(self, delivery: Delivery, verdict: Unprocessable | None) -> None:
        """Remember what became of one, for the consumer asks again when others of its batch have failed."""
        self._settled[delivery.seq] = verdict
        while len(self._settled) > REMEMBERED:
            del self._settled[next(iter(self._settled))]
