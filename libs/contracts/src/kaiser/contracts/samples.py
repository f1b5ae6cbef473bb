"""One sample of every event, made from real messages by the code that the services run."""

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from kaiser.contracts.events.actuation import (
    CommandAcknowledged,
    CommandAnsweredLate,
    CommandDispatched,
    CommandEnded,
    CommandRequested,
    ShadowDrifted,
    ShadowPolicySet,
    ShadowSettled,
)
from kaiser.contracts.events.calibration import (
    CalibrationAbandoned,
    CalibrationFinished,
    CalibrationPointTaken,
    CalibrationStarted,
    FoundCalibration,
    RecomputeFinished,
    RecomputeOrdered,
    SensorKey,
    SensorParametersSet,
)
from kaiser.contracts.events.catalogue import SAID, EventType
from kaiser.contracts.events.deadletter import DeadLetter, DeadLetters, LetterDiscarded, ReplayEnded, ReplayOrdered
from kaiser.contracts.events.device import (
    DeviceDiscovered,
    DeviceRegistered,
    DeviceRestarted,
    DeviceReturned,
    DeviceSaid,
    DeviceSilent,
    MqttMessage,
)
from kaiser.contracts.events.downlink import DownlinkReported, DownlinkRequested
from kaiser.contracts.events.equipment import (
    ConfigFault,
    ConfigLapsed,
    ConfigOrdered,
    ConfigSettled,
    Equipment,
    WantedActuator,
    WantedSensor,
)
from kaiser.contracts.events.identity import (
    Audited,
    KeyIssued,
    KeyRevoked,
    PasswordSet,
    SessionEnded,
    SessionRenewed,
    SessionsEnded,
    SessionStarted,
    UserChanged,
    UserCreated,
    UserRemoved,
)
from kaiser.contracts.events.logic import (
    AlarmCleared,
    AlarmRaised,
    Cause,
    CommandAsked,
    EngineResumed,
    NotificationAsked,
    RuleBacktested,
    RuleDamped,
    RuleDefined,
    RuleDisabled,
    RuleEnabled,
    RuleRemoved,
    RuleSkipped,
    RuleSwitched,
    RunEnded,
    RunStarted,
    Seen,
    StepEnded,
    StepRefused,
    StepWaiting,
    TakenLate,
)
from kaiser.contracts.events.packing import Packer
from kaiser.contracts.events.registry import (
    DeviceApproved,
    DeviceBoardSet,
    DeviceDeafened,
    DeviceDescribed,
    DeviceHearing,
    DeviceKeyIssued,
    DeviceRejected,
    DeviceRenamed,
    DeviceRetired,
    SubzoneOrdered,
    SubzoneSettled,
    ZoneOrdered,
    ZoneSettled,
)
from kaiser.contracts.events.safeguards import (
    ActuatorRef,
    ActuatorStopped,
    AlertCleared,
    AlertFolded,
    AlertRaised,
    AtMost,
    CommandApproved,
    CommandRejected,
    DutyCycle,
    EmergencyReleased,
    EmergencyRequested,
    Hours,
    InterlockRemoved,
    InterlockSet,
    LeaseLost,
    Limits,
    LimitsSet,
    Scope,
    SensorRef,
    StopConfirmed,
)
from kaiser.contracts.events.telemetry import RawReadings, Readings
from kaiser.contracts.rules import Command, Hysteresis, Rule
from kaiser.contracts.uplink import Accepted, decode_uplink, looks_like_head

Line = dict[str, Any]  # a line of wire-samples.jsonl, whose payload is of any JSON type

AT: Final = 1_777_500_031_250_000
_PLACE: Final[dict[str, str]] = {"kaiser_id": "god", "esp_id": "ESP_9F03D4"}
_DECIDED: Final[dict[str, Any]] = {
    **_PLACE,
    "at": AT,
    "by": "admin",
    "correlation_id": "c-4711",
}  # fields of all decisions

_PIN: Final[dict[str, Any]] = {**_PLACE, "gpio": 25}
_COMMAND: Final[dict[str, Any]] = {**_PIN, "at": AT, "command_id": "cmd-4711", "correlation_id": "c-4711"}
_BY_ADMIN: Final[dict[str, Any]] = {"at": AT, "by": "admin", "correlation_id": "c-4711"}
_BY_KAISER: Final[dict[str, Any]] = {"at": AT, "by": "kaiser", "correlation_id": "c-4711"}
_DECISION: Final[dict[str, Any]] = {**_BY_KAISER, "command_id": "cmd-4711", "esp_id": "ESP_9F03D4", "gpio": 25}
_ALERT: Final[dict[str, Any]] = {
    **_BY_KAISER,
    "alert_id": "alert-17",
    "esp_id": "ESP_9F03D4",
    "gpio": 25,
    "kind": "hardware_error",
}

_RULE: Final[dict[str, Any]] = {**_BY_ADMIN, "rule_id": "water-north"}
_DECIDED_BY_RULE: Final[dict[str, Any]] = {"n": 4711, "at": AT, "rule_id": "water-north", "version": 3}
_RUN: Final[dict[str, Any]] = {**_DECIDED_BY_RULE, "run_id": "water-north.3.17"}
_STEP: Final[dict[str, Any]] = {**_RUN, "step": 1, "path": "actions[0]"}
_CAUSE: Final = Cause(kind="reading", what="ESP_9F03D4/34/moisture", stream="TELEMETRY", seq=90_211, at=AT - 400_000)
_SAW: Final = Seen(
    kind="hysteresis",
    truth=True,
    what="ESP_9F03D4/34/moisture",
    value=29.4,
    against="on below 30.0, off above 45.0",
    at=AT - 400_000,
    seq=90_211,
)

_PROBE: Final = SensorKey(gpio=34, sensor_type="ph")
_SESSION: Final = "cal-4711"

MORE_MESSAGES: Final[tuple[Line, ...]] = (
    {
        "topic": "kaiser/god/esp/ESP_9F03D4/actuator/emergency/error",
        "payload": {"error": "unauthorized", "message": "Invalid auth token", "seq": 71},
    },
    {
        "topic": "kaiser/god/esp/ESP_9F03D4/onewire/scan_result",
        "payload": {
            "devices": [{"rom_code": "28FF641E8C160350", "device_type": "ds18b20", "pin": 4}],
            "found_count": 1,
            "seq": 81,
            "ts": 1777500400,
        },
    },
)
"""Messages of the contract that ``wire-samples.jsonl`` has no line for."""

_READING: Final[dict[str, Any]] = {  # columns of different types
    "reading_id": [5_046_263_217_083_427_511],
    "esp_id": ["ESP_9F03D4"],
    "gpio": [4],
    "sensor_type": ["ds18b20"],
    "address": ["28FF641E8C160350"],
    "raw": [352],
    "device_ts": [1_777_500_031],
    "received_at": [AT],
    "zone_id": ["south_tent"],
    "subzone_id": [""],
    "flags": [""],
}

_AS_SENT: Final = (
    b'{"esp_id":"ESP_9F03D4","seq":417,"zone_id":"south_tent","subzone_id":"","gpio":4,"sensor_type":"ds18b20","raw":352,'
    b'"value":22.00,"unit":"\xc2\xb0C","quality":"good","ts":1777500031,"time_valid":true,"raw_mode":true,'
    b'"onewire_address":"28FF641E8C160350"}'
)

_HEARD: Final = MqttMessage(topic="kaiser/god/esp/ESP_9F03D4/sensor/4/data", payload=_AS_SENT, qos=1)

_OTHERS: Final[dict[str, Any]] = {  # one struct of each type
    RawReadings.TYPE: RawReadings(
        kaiser_id="god",
        session="kaiser-uplink-0",
        delivery=[5_046_263_217_083_424_790],
        preview=[22.0],
        quality=["good"],
        seq=[417],
        boot=["ESP_9F03D4-b17-r1"],
        payloads=Packer().pack([_AS_SENT]),
        **_READING,
    ),
    Readings.TYPE: Readings(
        kaiser_id="god",
        sensor_id=[1_186_243_060_513_911_622],
        value=[22.0],
        unit=["°C"],
        quality=["good"],
        measured_at=[1_777_500_031_000_000],
        time_source=["device"],
        pending=[True],
        **_READING,
    ),
    DeviceDiscovered.TYPE: DeviceDiscovered(generation="head", received_at=AT, mqtt=_HEARD, **_PLACE),
    DeviceReturned.TYPE: DeviceReturned(
        generation="head", received_at=AT, lost_at=AT - 90_000_000, mqtt=_HEARD, **_PLACE
    ),
    DeviceSilent.TYPE: DeviceSilent(heard_at=AT - 301_000_000, received_at=AT, **_PLACE),
    DeviceRestarted.TYPE: DeviceRestarted(
        received_at=AT, booted_at=AT - 61_000_000, ran_s=86_400, reason="BROWNOUT", **_PLACE
    ),
    DeviceRegistered.TYPE: DeviceRegistered(generation="head", registered_at=AT, **_PLACE),
    DeviceApproved.TYPE: DeviceApproved(**_DECIDED),
    DeviceRejected.TYPE: DeviceRejected(reason="not ours", **_DECIDED),
    DeviceRenamed.TYPE: DeviceRenamed(name="North tent, bench A", **_DECIDED),
    DeviceBoardSet.TYPE: DeviceBoardSet(board="esp32_wroom", **_DECIDED),
    DeviceDescribed.TYPE: DeviceDescribed(firmware_version="4.2.1", mac_address="24:6F:28:0A:1B:2C", **_DECIDED),
    DeviceRetired.TYPE: DeviceRetired(reason="water damage", **_DECIDED),
    DeviceKeyIssued.TYPE: DeviceKeyIssued(key_id="5f" * 16, digest="c0" * 32, **_DECIDED),
    ZoneOrdered.TYPE: ZoneOrdered(
        zone_id="north_tent", zone_name="North tent", master_zone_id="house", into_kaiser_id="god", **_DECIDED
    ),
    ZoneSettled.TYPE: ZoneSettled(zone_id="north_tent", outcome="confirmed", **_DECIDED),
    SubzoneOrdered.TYPE: SubzoneOrdered(
        subzone_id="bench_a", subzone_name="Bench A", zone_id="north_tent", gpios=[25, 26], **_DECIDED
    ),
    SubzoneSettled.TYPE: SubzoneSettled(subzone_id="bench_a", outcome="confirmed", **_DECIDED),
    ConfigOrdered.TYPE: ConfigOrdered(
        wanted=Equipment(
            sensors=[WantedSensor(gpio=4, sensor_type="ds18b20", name="Root zone", onewire_address="28FF641E8C160350")],
            actuators=[WantedActuator(gpio=25, actuator_type="pump", name="Main pump")],
        ),
        **_DECIDED,
    ),
    ConfigLapsed.TYPE: ConfigLapsed(detail="started anew at 2026-04-29T22:00:12Z", **_DECIDED),
    ConfigSettled.TYPE: ConfigSettled(
        outcome="partly",
        faults=[ConfigFault(kind="actuator", gpio=25, code="UNKNOWN_ERROR", detail="GPIO conflict")],
        **_DECIDED,
    ),
    DeviceDeafened.TYPE: DeviceDeafened(detail="no answer to its configuration", **_DECIDED),
    DeviceHearing.TYPE: DeviceHearing(detail="started anew", **_DECIDED),
    SensorParametersSet.TYPE: SensorParametersSet(
        sensor=_PROBE,
        parameters={"volts_per_ph": -0.1775},
        compensate_from=SensorKey(gpio=4, sensor_type="ds18b20", address="28FF641E8C160350"),
        **_DECIDED,
    ),
    CalibrationStarted.TYPE: CalibrationStarted(
        session_id=_SESSION, sensor=_PROBE, family="ph", kind="ph", parameters={"volts_per_ph": -0.1775}, **_DECIDED
    ),
    CalibrationPointTaken.TYPE: CalibrationPointTaken(
        session_id=_SESSION,
        raw=1861,
        reference=7.0,
        temperature_c=22.0,
        reading_id=5_046_263_217_083_427_511,
        **_DECIDED,
    ),
    CalibrationFinished.TYPE: CalibrationFinished(
        session_id=_SESSION,
        sensor=_PROBE,
        family="ph",
        parameters={"volts_per_ph": -0.1775},
        calibration=FoundCalibration(
            family="ph",
            kind="ph",
            coefficients={"shape": "electrode", "volts_per_ph": -0.178, "neutral_v": 1.5},
            residuals=[0.0, 0.0],
            rms=0.0,
        ),
        valid_from=AT,
        **_DECIDED,
    ),
    CalibrationAbandoned.TYPE: CalibrationAbandoned(session_id=_SESSION, reason="buffer spilled", **_DECIDED),
    RecomputeOrdered.TYPE: RecomputeOrdered(
        recompute_id="rec-17", sensor=_PROBE, start=AT - 86_400_000_000, end=AT, calibration=_SESSION, **_DECIDED
    ),
    RecomputeFinished.TYPE: RecomputeFinished(
        recompute_id="rec-17", sensor=_PROBE, rows=2880, changed=2874, **_DECIDED
    ),
    DownlinkRequested.TYPE: DownlinkRequested(
        topic="kaiser/god/esp/ESP_9F03D4/sensor/4/command",
        payload='{"request_id":"m-77","timeout_ms":5000,"command":"measure"}',
        qos=2,
        generation="head",
        expires_at=AT + 30_000_000,
        correlation_id="m-77",
        **_PLACE,
    ),
    DownlinkReported.TYPE: DownlinkReported(
        topic="kaiser/god/esp/ESP_9F03D4/sensor/4/command",
        correlation_id="m-77",
        outcome="delivered",
        reported_at=AT,
        **_PLACE,
    ),
    CommandRequested.TYPE: CommandRequested(
        action="ON",
        asked="TOGGLE",
        level=1.0,
        duration_s=600,
        source="user",
        by="admin",
        reason="dry bench",
        idempotency_key="watering-2026-04-29",
        deadline_at=AT + 30_000_000,
        **_COMMAND,
    ),
    CommandDispatched.TYPE: CommandDispatched(attempt=1, answer_by=AT + 5_000_000, decision_seq=812, **_COMMAND),
    CommandAcknowledged.TYPE: CommandAcknowledged(by_message="response", detail="Command executed", **_COMMAND),
    CommandEnded.TYPE: CommandEnded(
        outcome="rejected",
        code="COOLING_DOWN",
        detail="paused for 12 s of 60",
        rule="min_off",
        decision_seq=812,
        **_COMMAND,
    ),
    CommandAnsweredLate.TYPE: CommandAnsweredLate(success=True, detail="Command executed", **_COMMAND),
    ShadowPolicySet.TYPE: ShadowPolicySet(policy="reassert", by="admin", reason="must run", at=AT, **_PIN),
    ShadowDrifted.TYPE: ShadowDrifted(desired=1.0, reported=0.0, policy="reassert", at=AT, **_PIN),
    ShadowSettled.TYPE: ShadowSettled(desired=1.0, how="reported", at=AT, **_PIN),
    LeaseLost.TYPE: LeaseLost(heard_at=AT - 10_000_000, at=AT, **_PIN),
    LimitsSet.TYPE: LimitsSet(
        esp_id="ESP_9F03D4",
        gpio=25,
        limits=Limits(
            max_on_s=900,
            min_off_s=60,
            starts_per_hour=12,
            duty_cycle=DutyCycle(share=0.5, window_s=3600),
            allowed_hours=(Hours("06:00", "21:30"),),
            time_zone="Europe/Berlin",
            power_w=450.0,
        ),
        reason="the tank holds 15 minutes",
        **_BY_ADMIN,
    ),
    InterlockSet.TYPE: InterlockSet(
        interlock_id="heater-or-fan",
        rule=AtMost(1, (ActuatorRef("ESP_9F03D4", 25), ActuatorRef("ESP_9F03D4", 26))),
        reason="they work against each other",
        **_BY_ADMIN,
    ),
    InterlockRemoved.TYPE: InterlockRemoved(interlock_id="heater-or-fan", reason="the heater is gone", **_BY_ADMIN),
    CommandApproved.TYPE: CommandApproved(
        action="ON",
        level=1.0,
        rule="clear",
        saw={"reported": 0.0, "off_for_s": 3605.2},
        valid_until=AT + 5_000_000,
        max_on_s=900,
        **_DECISION,
    ),
    CommandRejected.TYPE: CommandRejected(
        action="ON",
        level=1.0,
        rule="min_off",
        saw={"off_for_s": 12.0, "min_off_s": 60},
        code="COOLING_DOWN",
        detail="paused for 12 s of 60",
        retry_at=AT + 48_000_000,
        **_DECISION,
    ),
    ActuatorStopped.TYPE: ActuatorStopped(
        stop_id="stop-31",
        rule="max_on",
        code="RUN_TOO_LONG",
        detail="has been on for 900 s",
        saw={"on_for_s": 900.0, "max_on_s": 900},
        **_PIN,
        **_BY_KAISER,
    ),
    StopConfirmed.TYPE: StopConfirmed(stop_id="stop-31", esp_id="ESP_9F03D4", gpio=25, tries=1, **_BY_KAISER),
    EmergencyRequested.TYPE: EmergencyRequested(
        emergency_id="emergency-3", scope=Scope(kind="zone", zone_id="north_tent"), reason="water leak", **_BY_ADMIN
    ),
    EmergencyReleased.TYPE: EmergencyReleased(
        emergency_id="emergency-3", scope=Scope(kind="zone", zone_id="north_tent"), reason="mended", **_BY_ADMIN
    ),
    AlertRaised.TYPE: AlertRaised(kaiser_id="god", severity="error", detail="driver fault", acted="stopped", **_ALERT),
    AlertFolded.TYPE: AlertFolded(count=40, last_at=AT + 60_000_000, **_ALERT),
    AlertCleared.TYPE: AlertCleared(reason="pump replaced", **_ALERT),
    RuleDefined.TYPE: RuleDefined(
        version=3,
        rule=Rule(
            name="Water the north bench",
            condition=Hysteresis(sensor=SensorRef("ESP_9F03D4", 34, "moisture"), on_below=30.0, off_above=45.0),
            actions=(Command(actuator=ActuatorRef("ESP_9F03D4", 25), command="ON"),),
            otherwise=(Command(actuator=ActuatorRef("ESP_9F03D4", 25), command="OFF"),),
            cooldown_s=600,
        ),
        reason="the bench dries faster in summer",
        **_RULE,
    ),
    RuleEnabled.TYPE: RuleEnabled(version=3, backtest_id="bt-4711", **_RULE),
    RuleDisabled.TYPE: RuleDisabled(reason="harvested", **_RULE),
    RuleRemoved.TYPE: RuleRemoved(reason="the bench is gone", **_RULE),
    RuleBacktested.TYPE: RuleBacktested(
        version=3,
        backtest_id="bt-4711",
        start=AT - 86_400_000_000,
        end=AT,
        digest="9c" * 32,
        runs=4,
        on_s={"ESP_9F03D4/25": 2412.0},
        **_RULE,
    ),
    RunStarted.TYPE: RunStarted(branch="then", cause=_CAUSE, seen=_SAW, **_RUN),
    CommandAsked.TYPE: CommandAsked(esp_id="ESP_9F03D4", gpio=25, command="ON", duration_s=600, **_STEP),
    NotificationAsked.TYPE: NotificationAsked(channel="email", target="grower@example.org", message="dry", **_STEP),
    AlarmRaised.TYPE: AlarmRaised(alarm="too-dry", severity="warning", message="no water for a day", **_STEP),
    AlarmCleared.TYPE: AlarmCleared(alarm="too-dry", **_STEP),
    RuleSwitched.TYPE: RuleSwitched(target="feed-north", enabled=False, **_STEP),
    StepWaiting.TYPE: StepWaiting(what="delay", until=AT + 30_000_000, **_STEP),
    StepEnded.TYPE: StepEnded(
        outcome="yielded", code="ACTUATOR_CLAIMED", detail="rule frost-guard has it for 41 s more", **_STEP
    ),
    RunEnded.TYPE: RunEnded(branch="then", outcome="succeeded", steps=1, **_RUN),
    RuleSkipped.TYPE: RuleSkipped(
        branch="then", reason="cooldown", cause=_CAUSE, until=AT + 212_000_000, seen=_SAW, **_DECIDED_BY_RULE
    ),
    RuleDamped.TYPE: RuleDamped(
        actuator=ActuatorRef("ESP_9F03D4", 25),
        rules=("vent-north", "water-north"),
        reversals=6,
        until=AT + 900_000_000,
        **_DECIDED_BY_RULE,
    ),
    StepRefused.TYPE: StepRefused(
        rule_id="water-north",
        run_id="water-north.3.17",
        step=1,
        at=AT,
        code="ESP_OFFLINE",
        detail="ESP_9F03D4 is not connected",
    ),
    TakenLate.TYPE: TakenLate(stream="ACTUATORS", seq=1207, at=AT),
    EngineResumed.TYPE: EngineResumed(since=AT - 3_000_000, at=AT),
    UserCreated.TYPE: UserCreated(
        user_id="admin",
        username="admin",
        password_hash="$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA",  # noqa: S106 - of nothing
        role="admin",
        created_at=AT,
        created_by="setup",
    ),
    UserChanged.TYPE: UserChanged(
        user_id="u-7", role="operator", zones=["north_tent"], disabled=False, by="admin", at=AT
    ),
    PasswordSet.TYPE: PasswordSet(
        user_id="u-7",
        password_hash="$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA",  # noqa: S106 - of nothing
        by="ada",
        at=AT,
    ),
    SessionsEnded.TYPE: SessionsEnded(user_id="u-7", by="ada", at=AT),
    UserRemoved.TYPE: UserRemoved(user_id="u-7", by="admin", at=AT),
    SessionStarted.TYPE: SessionStarted(
        session_id="s-42",
        user_id="u-7",
        user_seq=17,
        address="192.0.2.7",
        expires_at=AT + 14 * 86_400_000_000,
        at=AT,
    ),
    SessionRenewed.TYPE: SessionRenewed(session_id="s-42", generation=2, address="192.0.2.7", at=AT),
    SessionEnded.TYPE: SessionEnded(session_id="s-42", reason="reused", by="ada", at=AT),
    KeyIssued.TYPE: KeyIssued(
        key_id="k-3",
        name="nightly export",
        digest="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        scopes=["read"],
        zones=[],
        expires_at=0,
        by="admin",
        at=AT,
    ),
    KeyRevoked.TYPE: KeyRevoked(key_id="k-3", by="admin", at=AT),
    Audited.TYPE: Audited(
        number=1,
        previous="",
        username="ada",
        user_id="u-7",
        via="s-42",
        address="192.0.2.7",
        method="POST",
        path="/api/v1/actuators/ESP_9F03D4/25/command",
        route="POST /api/v1/actuators/{esp_id}/{gpio}/command",
        status=202,
        code="",
        subject="cmd-4711",
        seq=1207,
        at=AT,
        hash="5b0c6a1d6d7d1f5f2a7d0b1b3ff0b3b0c8a4a8b0f0f6d2e1c3b5a79788695a4b",
    ),
    DeadLetters.TYPE: DeadLetters(
        service="bridge",
        letters=[
            DeadLetter(
                code="INVALID_PAYLOAD_FORMAT",
                detail="not UTF-8",
                payload=b"\xff\xfe\xfd\xfc",
                received_at=AT,
                topic="kaiser/god/esp/ESP_9F03D4/sensor/33/data",
            )
        ],
    ),
    ReplayOrdered.TYPE: ReplayOrdered(
        letter_id="4711-0",
        at=AT,
        by="ada",
        replay_id="4711-0.1",
        payload=b'{"ts": 1777614000, "esp_id": "ESP_9F03D4", "gpio": 33, "sensor_type": "ds18b20", "raw": 352}',
        edited=True,
        reason="a comma was missing",
    ),
    ReplayEnded.TYPE: ReplayEnded(
        letter_id="4711-0", at=AT, by="ada", replay_id="4711-0.1", outcome="stored", event_ids=("replay.4711-0.1.0",)
    ),
    LetterDiscarded.TYPE: LetterDiscarded(letter_id="4711-0", at=AT, by="ada", reason="a toy of somebody's"),
}


def samples(lines: Iterable[Line]) -> dict[str, Any]:
    """Event type to a sample body, as JSON values.

    Args:
        lines: Messages in the form of ``wire-samples.jsonl``; the first of each kind that is accepted is taken.
    """
    found = {name: msgspec.to_builtins(body) for name, body in _OTHERS.items()}
    for event, body in _said([*lines, *MORE_MESSAGES]):
        found.setdefault(event.name, msgspec.to_builtins(body))
    return found


def _said(lines: Iterable[Line]) -> Iterator[tuple[EventType, DeviceSaid[Any]]]:
    for line in lines:
        if line.get("direction") == "server_to_device":
            continue
        outcome = decode_uplink(line["topic"], _payload(line), retained=bool(line.get("delivered_retained")))
        if isinstance(outcome, Accepted) and type(outcome.message) in SAID:
            yield (
                SAID[type(outcome.message)],
                DeviceSaid(
                    kaiser_id=outcome.topic.kaiser_id,
                    esp_id=outcome.topic.esp_id,
                    generation="head" if looks_like_head(outcome.message) else "dec",
                    received_at=AT,
                    flags=",".join(outcome.flags),
                    message=outcome.message,
                    mqtt=MqttMessage(topic=line["topic"], payload=_payload(line), qos=min(line.get("qos", 0), 1)),
                ),
            )


def _payload(line: Line) -> bytes:
    payload = line["payload"]
    match line.get("payload_encoding"):
        case "base64":
            return base64.b64decode(payload)
        case "text":
            return str(payload).encode()
        case _:
            return payload.encode() if isinstance(payload, str) else json.dumps(payload).encode()
