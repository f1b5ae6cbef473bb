"""What devices say of their own state (wire contract, sections 4.3, 4.9, 4.13 to 4.15, 4.17, 1.2)."""

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from kaiser.contracts.wire.fields import U8, U32, Epoch, Id, Percent, Rssi, Text, Uptime


class ConfigStatus(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a ``head`` device is configured; ``state`` is a number of section 6.9, which differs by generation."""

    wifi_configured: bool = False
    zone_assigned: bool = False
    system_configured: bool = False
    subzone_count: U32 = 0
    boot_count: U32 = 0
    state: U32 | None = None


class Heartbeat(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Sign of life, ``system/heartbeat``: every 60 s, and from a ``head`` device every 5 s until it is acknowledged.

    Attributes:
        ts: Device clock, unix seconds; 0 where it is not set or cannot be right.
        uptime: Seconds since boot; smaller than before after a reboot.
        heap_free: Bytes.
        wifi_rssi: dBm.
        esp_id: Device.
        boot_sequence_id: ``{esp}-b{boot count}-r{reset code}``, ``head`` only.
        segment_start_ts: Unix seconds.
        active_handover_epoch: What an acknowledgement has to echo where it is above 0; null on ``dec``.
    """

    ALIASES: ClassVar[dict[str, str]] = {"timestamp": "ts", "free_heap": "heap_free"}

    ts: Epoch
    uptime: U32
    heap_free: U32
    wifi_rssi: Rssi
    esp_id: Id | None = None
    zone_id: Id = ""
    master_zone_id: Id = ""
    zone_assigned: bool = False
    sensor_count: U8 = 0
    actuator_count: U8 = 0
    time_valid: bool | None = None
    boot_sequence_id: Id = ""
    reset_reason: Id = ""
    segment_start_ts: U32 = 0
    wifi_ip: Id = ""
    active_handover_epoch: U32 | None = None
    handover_completed_epoch: U32 | None = None
    persistence_degraded: bool = False
    persistence_degraded_reason: Id = ""
    runtime_state_degraded: bool = False
    mqtt_circuit_breaker_open: bool = False
    wifi_circuit_breaker_open: bool = False
    network_degraded: bool = False
    config_status: ConfigStatus | None = None
    seq: U32 | None = None


class HeartbeatMetrics(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Counters since boot, ``system/heartbeat_metrics``, ``head`` only.

    A rising ``handover_contract_reject_count`` says that the device refuses its acknowledgements.
    """

    ALIASES: ClassVar[dict[str, str]] = {"timestamp": "ts"}

    ts: Epoch
    esp_id: Id | None = None
    metrics_schema_version: U32 = 0
    offline_enter_count: U32 = 0
    adopting_enter_count: U32 = 0
    adoption_noop_count: U32 = 0
    adoption_delta_count: U32 = 0
    handover_abort_count: U32 = 0
    handover_contract_reject_count: U32 = 0
    handover_contract_last_reject: Id = ""
    persistence_drift_count: U32 = 0
    critical_outcome_drop_count: U32 = 0
    publish_outbox_drop_count: U32 = 0
    publish_queue_fill: U32 = 0
    publish_queue_hwm: U32 = 0
    publish_queue_shed_count: U32 = 0
    publish_queue_drop_count: U32 = 0
    sensor_command_queue_overflow_count: U32 = 0
    safe_publish_retry_count: U32 = 0
    emergency_rejected_no_token_total: U32 = 0
    seq: U32 | None = None


class Diagnostics(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """State of the device, ``system/diagnostics``, sent when something changed.

    Attributes:
        ts: Seconds since boot, not a clock.
        heap_free: Bytes.
        heap_min_free: Bytes.
        heap_fragmentation: Percent.
        uptime_seconds: Seconds since boot.
        wifi_rssi: dBm.
        system_state: Name of a state of section 6.9.
    """

    ALIASES: ClassVar[dict[str, str]] = {"timestamp": "ts", "free_heap": "heap_free"}

    ts: Uptime
    heap_free: U32
    esp_id: Id | None = None
    heap_min_free: U32 | None = None
    heap_fragmentation: Percent | None = None
    uptime_seconds: U32 | None = None
    error_count: U32 = 0
    wifi_connected: bool | None = None
    wifi_rssi: Rssi | None = None
    mqtt_connected: bool | None = None
    sensor_count: U8 = 0
    actuator_count: U8 = 0
    system_state: Id = ""
    boot_reason: Id = ""
    boot_sequence_id: Id = ""
    reset_reason: Id = ""
    segment_start_ts: U32 = 0
    mqtt_cb_state: Id | int | None = None
    mqtt_cb_failures: U32 = 0
    wdt_mode: Id | int | None = None
    wdt_timeouts_24h: U32 = 0
    wdt_timeout_pending: bool | int | None = None
    metrics_schema_version: U32 = 0
    seq: U32 | None = None


class SessionAnnounce(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A ``head`` device has connected, ``session/announce``; always below ``god``.

    Attributes:
        handover_epoch: What an acknowledgement has to echo until the heartbeat names another.
        reason: ``boot`` or ``reconnect``.
        ts_ms: Unix milliseconds; since boot while the clock is not set.
        boot_ts: Unix seconds of the boot as text; since boot while the clock is not set.
    """

    handover_epoch: U32
    esp_id: Id | None = None
    session_epoch: U32 | None = None
    reason: Id = ""
    ts_ms: Uptime = 0
    boot_ts: Id = ""
    seq: U32 | None = None


class SystemError(Struct, frozen=True, kw_only=True, omit_defaults=True):  # noqa: A001 - the contract's word
    """A fault, ``system/error``, ``head`` only, at most one a minute for each of 32 slots.

    Attributes:
        error_code: Number of section 18.
        severity: 1 warning, 2 error, 3 critical.
        category: Band of the code, such as ``HARDWARE``.
        context: Device and milliseconds since boot.
        ts: Unix seconds.
    """

    ALIASES: ClassVar[dict[str, str]] = {"timestamp": "ts"}

    error_code: Annotated[int, Meta(ge=0, le=65_535)]
    severity: Annotated[int, Meta(ge=1, le=3)]
    category: Id = ""
    message: Text = ""
    context: dict[str, Any] | None = None  # whatever the fault's place had to say
    ts: Epoch = 0
    seq: U32 | None = None
    esp_id: Id | None = None


class QueuePressure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The device's publish queue fills or has recovered, ``system/queue_pressure``, ``head`` only."""

    ALIASES: ClassVar[dict[str, str]] = {"timestamp": "ts"}

    event: Literal["entered_pressure", "recovered"]
    fill_level: U32 = 0
    high_watermark: U32 = 0
    shed_count: U32 = 0
    drop_count: U32 = 0
    threshold: U32 = 0
    ts: Epoch = 0
    seq: U32 | None = None
    esp_id: Id | None = None


class LastWill(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The broker says for a device that its connection broke, ``system/will``.

    Attributes:
        status: Always ``offline``.
        timestamp: Unix seconds when the connection was *made*, never when it broke; 0 without a clock.
        esp_id: ``head`` only.
    """

    ALIASES: ClassVar[dict[str, str]] = {"ts": "timestamp"}

    status: Literal["offline"]
    reason: Id = ""
    timestamp: Epoch = 0
    esp_id: Id | None = None
