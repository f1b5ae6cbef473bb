"""Puts intents to aggregates, and what was dispatched on its way to the device."""

import structlog

from kaiser.actuator import sending
from kaiser.actuator.book import Book, Decided, Key
from kaiser.actuator.commands import HearDownlink, Intent
from kaiser.actuator.metrics import ActuatorMetrics
from kaiser.actuator.state import ActuatorState, Sent
from kaiser.actuator.surroundings import Surroundings
from kaiser.contracts.downlink import DownlinkForbiddenError
from kaiser.contracts.events.actuation import CommandDispatched
from kaiser.eventlog import EventLog, now_us, tracecontext

_log = structlog.get_logger(__name__)


class Acting:
    """Decides, stores, sends: in this order, so that nothing is sent which the log does not have.

    Args:
        log: Where messages to devices go.
        book: Aggregates.
        surroundings: What decisions go by.
        metrics: Where to count.
    """

    def __init__(self, log: EventLog, book: Book, surroundings: Surroundings, metrics: ActuatorMetrics) -> None:
        self.book = book
        self.surroundings = surroundings
        self._log = log
        self._metrics = metrics

    async def put(self, key: Key, intent: Intent) -> Decided:
        """Decide, and send what was dispatched.

        Raises:
            Refusal: A request is refused.
            LogFull: The log takes no more. What was stored is sent at the next try.
        """

        async def then(decided: Decided) -> None:
            for _, fact in decided.events:
                if isinstance(fact, CommandDispatched) and (failure := await self._send(key, decided.state, fact)):
                    failures.append(failure)

        failures: list[HearDownlink] = []
        decided = await self.book.execute(key, intent, then)
        for failure in failures:
            await self.book.execute(key, failure)
        return decided

    async def send_again(self, key: Key) -> None:
        """The last try of what is under way once more, under the same id: who dispatched it may have died before.

        The stream drops the repetition of a message for two minutes, and it expires before that.
        """
        sent = self.book.state(key).sent
        now = now_us()
        if sent is None or sent.acked_at or sent.answer_by <= now:
            return
        around = self.surroundings.around(key)
        stopped = around.latched or sent.decision_seq < around.stop_seq
        if sent.request.level > 0 and (stopped or sent.approved_until <= now):
            return
        await self._send(key, self.book.state(key), _last_try(sent, around.kaiser_id))

    async def _send(self, key: Key, state: ActuatorState, tried: CommandDispatched) -> HearDownlink | None:
        """Hand a try to the bridge; what to make of it where the device cannot be told."""
        sent = state.sent
        if sent is None or sent.id != tried.command_id:
            return None  # overtaken
        around = self.surroundings.around(key)
        member = self.surroundings.roster.get(key.esp_id)
        prime = sending.needs_priming(
            member.actuators.get(key.gpio),
            around.generation,
            done_at=state.done_at,
            reset_at=self.surroundings.reset_at(key.esp_id),
        )
        try:
            events = sending.messages(sent.request, tried, around.generation, prime=prime)
        except DownlinkForbiddenError as error:
            _log.error("a command cannot be told to its device", command_id=sent.id, reason=str(error))
            return HearDownlink(at=now_us(), command_id=sent.id, code=error.code, detail=str(error))
        with tracecontext.under(tracecontext.current() or self.book.traces.of(sent.id)):
            await self._log.publish_all(events)
        if tried.attempt == 1:
            self._metrics.asked_to_sent_s.observe((now_us() - sent.request.at) / 1e6)
        return None


def _last_try(sent: Sent, kaiser_id: str) -> CommandDispatched:
    request = sent.request
    return CommandDispatched(
        kaiser_id=kaiser_id,
        esp_id=request.esp_id,
        gpio=request.gpio,
        at=sent.tried_at,
        command_id=sent.id,
        correlation_id=request.correlation_id,
        attempt=sent.attempt,
        answer_by=sent.answer_by,
        decision_seq=sent.decision_seq,
        approved_until=sent.approved_until,
    )
