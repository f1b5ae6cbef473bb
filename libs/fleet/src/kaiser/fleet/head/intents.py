"""What became of an order (wire contract, sections 4.16, 5.9)."""

from typing import Any, Final

from kaiser.fleet.head.state import HeadState
from kaiser.fleet.text import b, fields, s

LEGACY: Final = {"persisted": "success", "accepted": "processing", "applied": "processing"}


class Intent:
    """Ids and age of an order, as the device reads them.

    Args:
        body: The order.
        fallback: Its id where it brings none.
    """

    def __init__(self, body: dict[str, Any], fallback: str) -> None:
        correlation, intent = body.get("correlation_id"), body.get("intent_id")
        self.correlation_id = correlation if isinstance(correlation, str) and correlation else fallback
        self.intent_id = intent if isinstance(intent, str) and intent else self.correlation_id
        self.generation = _number(body.get("generation"))
        self.ttl_ms = _number(body.get("ttl_ms"))
        # A unix time in milliseconds does not fit the 32 bits and becomes 0, so that everything with a ttl is too old
        created = _number(body.get("created_at_ms"))
        self.created_at_ms = created if created < 1 << 32 else 0

    def expired(self, uptime_ms: int) -> bool:
        """Whether the device takes it for too old."""
        return bool(self.ttl_ms) and uptime_ms - self.created_at_ms > self.ttl_ms


def tell_outcome(
    device: HeadState, flow: str, intent: Intent, outcome: str, *, code: str = "NONE", reason: str = ""
) -> None:
    """Say how it ended or goes on; a critical one that cannot be said now is kept, and replayed."""
    critical = outcome in ("persisted", "rejected", "failed", "expired")
    said = {
        "flow": s(flow),
        "intent_id": s(intent.intent_id),
        "correlation_id": s(intent.correlation_id),
        "generation": str(intent.generation),
        "created_at_ms": str(intent.created_at_ms),
        "ttl_ms": str(intent.ttl_ms),
        "epoch": str(device.handover.active),
        "outcome": s(outcome),
        "contract_version": "2",
        "semantic_mode": s("target"),
        "legacy_status": s(LEGACY.get(outcome, outcome)),
        "target_status": s(outcome),
        "code": s(code),
        "reason": s(reason),
        "retryable": "false",
        "critical": b(critical),
        "retry_limit": "5",
    }
    if critical and not device.measuring:
        device.kept.append(said)
    else:
        _say(device, said, recovered=False)


def replay(device: HeadState) -> None:
    """Say what was kept; duplicates and late arrivals are normal."""
    while device.kept:
        _say(device, {**device.kept.popleft(), "reason": s("replayed")}, recovered=True)


def tell_stage(device: HeadState, flow: str, intent: Intent, stage: str) -> None:
    """A stage on an order's way."""
    device.say(
        "system/intent_outcome/lifecycle",
        fields(
            seq=device.next_seq(),
            event_type=s("intent_chain_stage"),
            schema=s("intent_chain_stage_v1"),
            flow=s(flow),
            stage=s(stage),
            intent_id=s(intent.intent_id),
            correlation_id=s(intent.correlation_id),
            generation=str(intent.generation),
            epoch=str(device.handover.active),
            ts=str(device.clock.unix_s),
        ),
    )


def _say(device: HeadState, said: dict[str, str], *, recovered: bool) -> None:
    device.confirmed_outcomes += 1
    retries = str(int(recovered))
    device.say(
        "system/intent_outcome",
        fields(
            seq=device.next_seq(),
            **said,
            retry_count=retries,
            recovered=b(recovered),
            delivery_mode=s("recovered" if recovered else "direct"),
            outcome_retry_count=retries,
            outcome_recovered_count=retries,
            outcome_drop_count_critical="0",
            outcome_final_confirmed_count=str(device.confirmed_outcomes),
            ts=str(device.clock.unix_s),
        ),
    )


def _number(value: object) -> int:
    return value if type(value) is int and value >= 0 else 0
