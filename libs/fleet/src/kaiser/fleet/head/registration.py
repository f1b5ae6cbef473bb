"""The registration gate: announce, heartbeats, acknowledgements, and the server's own state (wire contract, 5.8)."""

from typing import Any, Final

from kaiser.fleet.head import intents
from kaiser.fleet.head.state import HeadState
from kaiser.fleet.message import Outgoing, object_of
from kaiser.fleet.pool import pool
from kaiser.fleet.text import b, fields, s

ACK_POOL: Final = 256
ACK_TIMEOUT_S: Final = 120.0
GRACE_S: Final = 30.0
STALE_WILL_S: Final = 15.0
"""So long after a reconnect the server's last will is taken for an old one."""
REBOOT_WHEN_REJECTED_S: Final = 60.0
PRESSURE: Final = 6
"""Messages waiting from which on the queue of eight is under pressure (section 6.3)."""


def announce(device: HeadState) -> None:
    """Say that a session begins; always below ``god``."""
    handover = device.handover
    handover.session += 1
    handover.active = handover.session
    handover.connected_at_s = handover.heard_at_s = device.clock.uptime_s
    boot = device.clock.booted_at_s or int(device.clock.uptime_s)
    payload = fields(
        esp_id=s(device.esp_id),
        handover_epoch=str(handover.active),
        session_epoch=str(handover.session),
        reason=s("boot" if handover.session <= 1 else "reconnect"),
        ts_ms=str(device.clock.unix_ms),
        boot_ts=s(str(boot)),
    )
    device.put(Outgoing(f"kaiser/god/esp/{device.esp_id}/session/announce", payload.encode(), qos=1))


def acknowledged(device: HeadState, payload: bytes) -> None:
    """Open the gate, if the acknowledgement is one that the firmware takes."""
    body, handover = object_of(payload), device.handover
    reason = why_refused(device, body)
    if reason or body is None:
        handover.rejects += 1
        handover.last_reject = reason
        return
    handover.heard_at_s, handover.offline = device.clock.uptime_s, False
    status = body["status"]
    if type(body.get("server_time")) is int:
        device.clock.learn(body["server_time"])
    if status == "rejected":
        device.rejected, handover.registered = True, False
        device.leaves_at_s = device.clock.uptime_s + REBOOT_WHEN_REJECTED_S
    elif status in ("approved", "online", "pending_approval"):
        device.pending, device.rejected, device.leaves_at_s = status == "pending_approval", False, None
        handover.completed, handover.reconnecting = body["handover_epoch"], False
        if not handover.registered:
            handover.registered = True
            _replay(device)


def why_refused(device: HeadState, body: dict[str, Any] | None) -> str:
    """Why the firmware refuses an acknowledgement; empty if it takes it."""
    handover = device.handover
    if body is None or pool(body) > ACK_POOL:
        return "JSON_PARSE_ERROR"
    if not isinstance(body.get("status"), str):
        return "MISSING_STATUS"
    epoch = body.get("handover_epoch")
    if epoch is None:
        return "MISSING_HANDOVER_EPOCH"
    if type(epoch) is not int or epoch < 1:
        return "INVALID_HANDOVER_EPOCH"
    if handover.offline and not handover.active:
        return "NO_ACTIVE_EPOCH"
    if (handover.reconnecting or handover.offline) and epoch != handover.active:
        return "HANDOVER_EPOCH_MISMATCH"
    return ""


def server_said(device: HeadState, payload: bytes) -> None:
    """``offline`` switches every output to its default at once; a stale last will right after a reconnect does not."""
    body, handover = object_of(payload) or {}, device.handover
    if body.get("status") == "online":
        if handover.offline and not handover.active:
            handover.active = handover.session
    elif body.get("status") == "offline":
        stale = body.get("reason") == "unexpected_disconnect" and not handover.registered and handover.session > 1
        if not (stale and device.clock.uptime_s - handover.connected_at_s < STALE_WILL_S):
            device.outputs_to_default()


def watch(device: HeadState) -> None:
    """Two minutes without an acknowledgement: outputs to their defaults, and alone half a minute later."""
    silent_s = device.clock.uptime_s - device.handover.heard_at_s
    if silent_s > ACK_TIMEOUT_S and not device.handover.offline:
        device.outputs_to_default()
        if silent_s > ACK_TIMEOUT_S + GRACE_S:
            device.handover.offline, device.handover.active = True, 0
            device.offline_enters += 1


def _replay(device: HeadState) -> None:
    """What was kept goes out at once, which fills the queue if it is much."""
    waiting = len(device.kept)
    if waiting >= PRESSURE:
        _pressure(device, "entered_pressure", waiting)
    intents.replay(device)
    if waiting >= PRESSURE:
        _pressure(device, "recovered", 0)


def _pressure(device: HeadState, event: str, fill: int) -> None:
    device.say(
        "system/queue_pressure",
        fields(
            event=s(event),
            fill_level=str(min(fill, 8)),
            high_watermark=str(min(max(fill, PRESSURE), 8)),
            shed_count="0",
            drop_count="0",
            threshold=str(PRESSURE),
            ts=str(device.clock.unix_s),
        ),
        qos=0,
    )


def heartbeat(device: HeadState) -> str:
    """A sign of life, which asks for an acknowledgement."""
    clock, handover = device.clock, device.handover
    assigned = b(device.zone_id)
    return fields(
        esp_id=s(device.esp_id),
        zone_id=s(device.zone_id),
        master_zone_id=s(device.master_zone_id),
        zone_assigned=assigned,
        ts=str(clock.unix_s),
        time_valid=b(clock.valid),
        boot_sequence_id=s(f"{device.esp_id}-b{device.boots}-r1"),
        reset_reason=s("POWERON"),
        segment_start_ts=str(clock.booted_at_s),
        uptime=str(int(clock.uptime_s)),
        heap_free="161200",
        wifi_rssi=str(-50 - device.boots % 30),
        sensor_count=str(len(device.sensors)),
        actuator_count=str(len(device.actuators)),
        wifi_ip=s("192.168.4.51"),
        active_handover_epoch=str(handover.active),
        handover_completed_epoch=str(handover.completed),
        persistence_degraded="false",
        persistence_degraded_reason=s(""),
        runtime_state_degraded="false",
        mqtt_circuit_breaker_open="false",
        wifi_circuit_breaker_open="false",
        network_degraded="false",
        config_status=fields(
            wifi_configured="true",
            zone_assigned=assigned,
            system_configured="true",
            subzone_count=str(len(device.subzones)),
            boot_count=str(device.boots),
            state=str(device.state),
        ),
    )


def metrics(device: HeadState) -> dict[str, str]:
    """Counters since boot; rising rejects mean that the server's acknowledgements are refused (section 4.14)."""
    zero = dict.fromkeys(
        (
            "persistence_drift_count",
            "critical_outcome_drop_count",
            "publish_outbox_drop_count",
            "publish_queue_fill",
            "publish_queue_hwm",
            "publish_queue_shed_count",
            "publish_queue_drop_count",
            "sensor_command_queue_overflow_count",
            "safe_publish_retry_count",
        ),
        "0",
    )
    return {
        "metrics_schema_version": "1",
        "offline_enter_count": str(device.offline_enters),
        "adopting_enter_count": "0",
        "adoption_noop_count": "0",
        "adoption_delta_count": "0",
        "handover_abort_count": "0",
        "handover_contract_reject_count": str(device.handover.rejects),
        "handover_contract_last_reject": s(device.handover.last_reject),
        **zero,
        "emergency_rejected_no_token_total": str(device.tokenless_emergencies),
    }
