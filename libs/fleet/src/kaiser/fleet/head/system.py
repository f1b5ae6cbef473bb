"""Commands to the device itself, and measuring on demand (wire contract, sections 4.9, 4.12, 4.18, 5.6, 5.7)."""

from typing import Any, Final

from kaiser.fleet.head.state import OPERATIONAL, STATE_NAMES, HeadState, quality
from kaiser.fleet.message import Outgoing, object_of
from kaiser.fleet.pool import pool
from kaiser.fleet.sensors import DS18B20_FAULT
from kaiser.fleet.text import b, fields, s

POOL: Final = 256
RESET_AFTER_S: Final = 3.0
ALWAYS_ADMITTED: Final = ("status", "diagnostics", "get_config", "set_log_level", "safe_mode")


def command(device: HeadState, payload: bytes) -> None:
    """Do what a word says; words are lower case and exact."""
    body = object_of(payload)
    if body is None or pool(body) > POOL:
        return
    word = str(body.get("command", ""))
    if device.state != OPERATIONAL and word not in ALWAYS_ADMITTED:
        _refuse(device, word, "Command not admitted in this state", "STATE_BLOCKED")
    elif word in ("status", "diagnostics", "get_config"):
        _answer(device, word, **_snapshot(device))
    elif word == "onewire/scan":
        _scan(device, body)
    elif word in ("safe_mode", "exit_safe_mode", "set_log_level"):
        device.safe_mode = word == "safe_mode" or (device.safe_mode and word != "exit_safe_mode")
        if word == "safe_mode":
            device.outputs_to_default()
        _answer(device, word)
    elif word == "set_emergency_token":
        _set_token(device, body)
    elif word == "factory_reset" and body.get("confirm") is True:
        payload_out = fields(status=s("factory_reset_initiated"), esp_id=s(device.esp_id), seq=device.next_seq())
        device.say("system/command/response", payload_out, gated=False)
        device.leaves_at_s, device.gone = device.clock.uptime_s + RESET_AFTER_S, True
    else:
        _refuse(device, word, "Unknown command", "UNKNOWN_COMMAND")


def measure(device: HeadState, gpio: int, payload: bytes) -> None:
    """Read a pin's sensors now; the answer comes only if it was asked for with a ``request_id``."""
    body = object_of(payload) or {}
    if body.get("command") != "measure":
        return
    request_id, sensors = body.get("request_id"), device.on_pin(gpio)
    raw, kind, grade = 0, "", "error"
    for sensor in sensors:
        raw, kind = device.count(sensor), sensor.sensor_type
        grade = quality(sensor, raw)
        device.tell_reading(sensor, raw, device.clock.unix_s)
    measured = bool(sensors) and not (kind == "ds18b20" and raw == DS18B20_FAULT)
    if not isinstance(request_id, str) or not request_id:
        return
    device.say(
        f"sensor/{gpio}/response",
        fields(
            request_id=s(request_id),
            gpio=str(gpio),
            command=s("measure"),
            success=b(measured),
            measurement_ok=b(measured),
            publish_ok=b(measured and device.measuring),
            timeout="false",
            reason_code=s("" if measured else ("SENSOR_NOT_FOUND" if not sensors else "MEASUREMENT_FAILED")),
            quality=s(grade),
            sensor_type=s(kind),
            raw=str(raw),
            ts=str(device.clock.unix_s),
            seq=device.next_seq(),
            intent_id=s(request_id),
            correlation_id=s(str(body.get("correlation_id") or request_id)),
            ttl_ms="0",
        ),
        gated=False,
    )


def diagnostics(device: HeadState) -> str:
    """The device's own state; its time is the uptime."""
    uptime = str(int(device.clock.uptime_s))
    return fields(
        ts=uptime,
        esp_id=s(device.esp_id),
        heap_free="158004",
        heap_min_free="141004",
        heap_fragmentation="9",
        uptime_seconds=uptime,
        error_count="0",
        wifi_connected="true",
        wifi_rssi="-57",
        mqtt_connected=b(device.online),
        sensor_count=str(len(device.sensors)),
        actuator_count=str(len(device.actuators)),
        system_state=s(STATE_NAMES[device.state]),
        boot_reason=s("POWERON"),
        boot_sequence_id=s(f"{device.esp_id}-b{device.boots}-r1"),
        reset_reason=s("POWERON"),
        segment_start_ts=str(device.clock.booted_at_s),
        mqtt_cb_state="0",
        mqtt_cb_failures="0",
        wdt_mode="1",
        wdt_timeouts_24h="0",
        wdt_timeout_pending="false",
        metrics_schema_version="1",
    )


def _snapshot(device: HeadState) -> dict[str, str]:
    return {
        "state": str(device.state),
        "uptime": str(int(device.clock.uptime_s)),
        "heap_free": "158004",
        "wifi_rssi": "-57",
        "sensor_count": str(len(device.sensors)),
        "actuator_count": str(len(device.actuators)),
        "zone_id": s(device.zone_id),
        "zone_assigned": b(device.zone_id),
    }


def _scan(device: HeadState, body: dict[str, Any]) -> None:
    params = body.get("params")
    pin = body.get("pin", params.get("pin") if isinstance(params, dict) else None)
    found = [sensor for sensor in device.on_pin(pin if type(pin) is int else 4) if len(sensor.address) == 16]
    devices = ",".join(
        fields(rom_code=s(sensor.address), device_type=s(sensor.sensor_type), pin=str(sensor.gpio)) for sensor in found
    )
    if device.measuring:
        result = fields(devices=f"[{devices}]", found_count=str(len(found)), seq=device.next_seq())
        device.put(Outgoing(f"kaiser/god/esp/{device.esp_id}/onewire/scan_result", result.encode(), qos=1))
    _answer(device, "onewire/scan", found_count=str(len(found)), pin=str(pin if type(pin) is int else 4))


def _set_token(device: HeadState, body: dict[str, Any]) -> None:
    token, kind = body.get("token"), body.get("token_type")
    if not isinstance(token, str) or not 1 <= len(token) <= 64 or kind not in ("esp", "broadcast"):
        _refuse(device, "set_emergency_token", "Invalid token", "VALIDATION_ERROR")
        return
    if kind == "esp":
        device.emergency_token = token
    else:
        device.broadcast_token = token
    _answer(device, "set_emergency_token")


def _answer(device: HeadState, word: str, **rest: str) -> None:
    """Without the correlation id, so that only the word tells what it answers."""
    device.say(
        "system/command/response",
        fields(
            command=s(word),
            success="true",
            esp_id=s(device.esp_id),
            **rest,
            ts=str(device.clock.unix_s),
            seq=device.next_seq(),
        ),
        gated=False,
    )


def _refuse(device: HeadState, word: str, error: str, reason_code: str) -> None:
    device.say(
        "system/command/response",
        fields(
            command=s(word),
            success="false",
            esp_id=s(device.esp_id),
            error=s(error),
            reason_code=s(reason_code),
            ts=str(device.clock.unix_s),
            seq=device.next_seq(),
        ),
        gated=False,
    )
