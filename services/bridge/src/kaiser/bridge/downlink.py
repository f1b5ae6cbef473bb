"""The way down: DOWNLINK stream to MQTT, acknowledged after the broker's PUBACK or PUBCOMP.

A message whose deadline has passed is dropped and reported, and one that the wire contract forbids is never sent. Nor
is one that would switch something on which has to be off: it may have been on its way before an emergency stop was.
"""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
import structlog

from kaiser.bridge.metrics import BridgeMetrics
from kaiser.bridge.sorting import SOURCE
from kaiser.bridge.told import Told
from kaiser.contracts import subjects, topics
from kaiser.contracts.codes import Code
from kaiser.contracts.downlink import check_downlink
from kaiser.contracts.events import codec
from kaiser.contracts.events.downlink import DownlinkReported, DownlinkRequested, Outcome
from kaiser.contracts.topics import DownlinkKind, DownlinkTopic
from kaiser.eventlog import Delivery, Event, EventLog, Retry, Unprocessable, now_us
from kaiser.mqtt import BrokerLimitExceeded, MessageExpired, NegativeAcknowledgement, QoS, Session, SessionClosed
from kaiser.service import tracing

log = structlog.get_logger(__name__)

AT_ONCE: Final = 64
BROKER_TIMEOUT_S: Final = 10.0

Forbids = Callable[[str, int], str]
"""Code of why an actuator, by device and pin, may not be switched on now; empty where it may."""


class _Asked(NamedTuple):
    """A request with its sequence, and the ``traceparent`` that it came with."""

    seq: int
    request: DownlinkRequested
    cause: str


class _Sent(NamedTuple):
    """What became of a request, and the ``traceparent`` of that."""

    report: DownlinkReported
    traceparent: str


class _Word(msgspec.Struct):
    command: str = ""


_decode = msgspec.json.Decoder(DownlinkRequested).decode
_decode_word = msgspec.json.Decoder(_Word).decode


class Downlink:
    """Sends what is requested through one MQTT session.

    Args:
        session: Session to publish through.
        event_log: Where the reports go.
        metrics: Where to count.
        forbids: Asked right before something is switched on.
        told: Gets what went out, for what comes back.
    """

    def __init__(
        self, session: Session, event_log: EventLog, metrics: BridgeMetrics, forbids: Forbids, told: Told
    ) -> None:
        self._told = told
        self._forbids = forbids
        self._session = session
        self._log = event_log
        self._metrics = metrics
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._sent: dict[int, _Sent] = {}

    async def handle(self, batch: list[Delivery]) -> None:
        """Send a batch: in order to each device, at the same time to different ones.

        When the broker goes away in the middle, the batch is tried again, and what was sent is not sent again.

        Raises:
            Retry: The broker is away, so that messages wait in the stream instead of here.
            Unprocessable: A message is no downlink request.
        """
        by_device: dict[str, list[_Asked]] = {}
        for delivery in batch:
            try:
                request = _decode(delivery.data)
            except msgspec.MsgspecError as error:
                raise Unprocessable(Code.INVALID_PAYLOAD_FORMAT, str(error)) from error
            if delivery.seq not in self._sent:
                asked = _Asked(delivery.seq, request, delivery.traceparent)
                by_device.setdefault(request.esp_id, []).append(asked)
        results = await asyncio.gather(*map(self._send_all, by_device.values()), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        await self._log.publish_all([_event(delivery.seq, self._sent[delivery.seq]) for delivery in batch])
        for delivery in batch:
            self._metrics.downlinks.labels(self._sent.pop(delivery.seq).report.outcome).inc()

    async def _send_all(self, requests: list[_Asked]) -> None:
        async with self._slots:
            for seq, request, cause in requests:
                with tracing.span("bridge send", cause) as span:
                    if span is not None:  # before it is sent, for the answer may be quicker than the broker's
                        self._told.note(request.topic, request.correlation_id, span.traceparent)
                    report = await self._send(request)
                    if span is not None:
                        span.set(topic=request.topic, command_id=request.correlation_id, outcome=report.outcome)
                    self._sent[seq] = _Sent(report, cause if span is None else span.traceparent)

    async def _send(self, request: DownlinkRequested) -> DownlinkReported:
        now = now_us()
        if request.expires_at and request.expires_at <= now:
            return _report(request, "expired", Code.DOWNLINK_EXPIRED, "the deadline had passed before it was sent")
        payload = request.payload.encode()
        forbidden = check_downlink(request.topic, payload, request.qos, retain=False, generation=request.generation)
        if forbidden is not None:
            return _report(request, "refused", Code.DOWNLINK_FORBIDDEN, forbidden)
        if code := self._has_to_be_off(request):
            return _report(request, "refused", code, "the actuator has to be off now")
        expiry_s = max(1, (request.expires_at - now) // 1_000_000) if request.expires_at else None
        try:
            async with asyncio.timeout(BROKER_TIMEOUT_S):
                await self._session.publish(request.topic, payload, qos=QoS(request.qos), expiry_s=expiry_s)
        except MessageExpired:
            return _report(request, "expired", Code.DOWNLINK_EXPIRED, "the deadline passed before the broker had it")
        except (NegativeAcknowledgement, BrokerLimitExceeded, ValueError) as error:
            return _report(request, "refused", Code.PUBLISH_FAILED, str(error))
        except (SessionClosed, TimeoutError) as error:
            raise Retry(f"the broker did not take {request.topic} in {BROKER_TIMEOUT_S:.0f} s") from error
        return _report(request, "delivered", None, "")

    def _has_to_be_off(self, request: DownlinkRequested) -> str:
        """Code of why what a message would switch on has to be off; empty where it has not, or is switched off."""
        found = topics.classify(request.topic)
        if not isinstance(found, DownlinkTopic) or found.kind is not DownlinkKind.ACTUATOR_COMMAND:
            return ""
        if found.gpio is None or _decode_word(request.payload).command.upper() == "OFF":
            return ""
        return self._forbids(found.esp_id, found.gpio)


def _report(request: DownlinkRequested, outcome: Outcome, code: str | None, detail: str) -> DownlinkReported:
    return DownlinkReported(
        kaiser_id=request.kaiser_id,
        esp_id=request.esp_id,
        topic=request.topic,
        correlation_id=request.correlation_id,
        outcome=outcome,
        code=code or "",
        detail=detail,
        reported_at=now_us(),
    )


def _event(seq: int, sent: _Sent) -> Event:
    report = sent.report
    return Event(
        id=f"downlink.{seq}",
        subject=subjects.downlink_report(report.kaiser_id, report.esp_id, report.outcome),
        type=DownlinkReported.TYPE,
        data=codec.encode(report),
        source=SOURCE,
        time=report.reported_at,
        traceparent=sent.traceparent,
    )
