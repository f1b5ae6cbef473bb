"""What became of intents, ``head`` only (wire contract, section 4.16). Duplicates and late arrivals are normal."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from kaiser.contracts.wire.fields import U32, Epoch, Id, Text, Uptime


class IntentOutcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an intent ended or goes on, ``system/intent_outcome``; its key is (``intent_id``, ``outcome``).

    Attributes:
        outcome: ``applied`` is final already; a later ``persisted`` may be missing.
        recovered: Whether it was kept in flash and is replayed after a reconnect.
        ts: Unix seconds.
    """

    ALIASES: ClassVar[dict[str, str]] = {"timestamp": "ts"}

    flow: Literal[
        "command",
        "config",
        "zone",
        "publish",
        "offline_rules",
        "heartbeat",
        "subzone_assign",
        "subzone_remove",
        "subzone_safe",
    ]
    intent_id: Annotated[str, Meta(min_length=1, max_length=128)]
    outcome: Literal["accepted", "applied", "persisted", "rejected", "failed", "expired", "processing"]
    correlation_id: Id = ""
    generation: U32 = 0
    created_at_ms: Uptime = 0
    ttl_ms: U32 = 0
    epoch: U32 = 0
    contract_version: U32 = 0
    semantic_mode: Id = ""
    legacy_status: Id = ""
    target_status: Id = ""
    code: Id = ""
    reason: Text = ""
    retryable: bool = False
    critical: bool = False
    retry_limit: U32 = 0
    retry_count: U32 = 0
    recovered: bool = False
    delivery_mode: Id = ""
    outcome_retry_count: U32 = 0
    outcome_recovered_count: U32 = 0
    outcome_drop_count_critical: U32 = 0
    outcome_final_confirmed_count: U32 = 0
    ts: Epoch = 0
    seq: U32 | None = None
    esp_id: Id | None = None


class IntentStage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stage on an intent's way, ``system/intent_outcome/lifecycle``.

    Attributes:
        schema: ``intent_chain_stage_v1`` or ``config_pending_lifecycle_v1``.
        readiness_decision: Why a device stays pending or not, in the second schema.
        ts: Unix seconds.
    """

    ALIASES: ClassVar[dict[str, str]] = {"timestamp": "ts"}

    event_type: Annotated[str, Meta(min_length=1, max_length=128)]
    schema: Id = ""
    flow: Id = ""
    stage: Id = ""
    intent_id: Id = ""
    correlation_id: Id = ""
    generation: U32 = 0
    epoch: U32 = 0
    code: Id = ""
    detail: Text = ""
    boot_sequence_id: Id = ""
    readiness_decision: Id = ""
    ts: Epoch = 0
    seq: U32 | None = None
    esp_id: Id | None = None
