"""The streams of the event log and who may touch what, as data.

Applied by ``kaiser.eventlog``; granted by the NATS configuration that deployments generate from :data:`PERMISSIONS`.
"""

from typing import Final, Literal

import msgspec

from kaiser.contracts.subjects import SETTLED

DAY_S: Final = 86_400
MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB


class StreamSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One JetStream stream.

    Attributes:
        name: Name of the stream, upper case.
        subjects: Subjects that it takes; no two streams share one.
        retention: ``limits`` keeps messages until a limit lets them go; ``workqueue`` until they are acknowledged.
        max_age_s: Seconds a message is kept; 0 is for ever.
        max_bytes: Size limit in bytes; -1 is none.
        max_msgs_per_subject: Messages kept for one subject; -1 is no limit.
        discard: At the size limit, ``old`` lets the oldest go and ``new`` refuses the newest. Facts that nobody has
            taken yet must not vanish, so everything but dead letters and health refuses (the bridge then holds back
            its PUBACKs, and the broker keeps the messages).
        allow_msg_ttl: Whether a message may carry its own time to live.
        duplicate_window_s: Seconds in which JetStream drops a repeated message id. Only an optimisation: identity is
            decided in the projections.
        storage: ``file`` or ``memory``.
        replicas: Copies in a cluster.
    """

    name: str
    subjects: tuple[str, ...]
    retention: Literal["limits", "workqueue"] = "limits"
    max_age_s: int = 0
    max_bytes: int = -1
    max_msgs_per_subject: int = -1
    discard: Literal["old", "new"] = "new"
    allow_msg_ttl: bool = False
    duplicate_window_s: int = 120
    storage: Literal["file", "memory"] = "file"
    replicas: int = 1


TELEMETRY_RAW = StreamSpec(name="TELEMETRY_RAW", subjects=("telemetry.raw.>",), max_age_s=7 * DAY_S, max_bytes=4 * GIB)
TELEMETRY = StreamSpec(name="TELEMETRY", subjects=("telemetry.reading.>",), max_age_s=7 * DAY_S, max_bytes=4 * GIB)
DEVICES = StreamSpec(name="DEVICES", subjects=("device.>",))
HEARTBEATS = StreamSpec(
    name="HEARTBEATS",
    subjects=("heartbeat.>", "health.>"),
    max_age_s=7 * DAY_S,
    max_bytes=512 * MIB,
    discard="old",
)
ACTUATORS = StreamSpec(name="ACTUATORS", subjects=("actuator.>",))
SAFETY = StreamSpec(name="SAFETY", subjects=("safety.>",))
LOGIC = StreamSpec(name="LOGIC", subjects=("logic.>",), allow_msg_ttl=True)
IDENTITY = StreamSpec(name="IDENTITY", subjects=("identity.>",), allow_msg_ttl=True)
DOWNLINK = StreamSpec(
    name="DOWNLINK", subjects=("downlink.>",), retention="workqueue", max_bytes=256 * MIB, allow_msg_ttl=True
)
DEADLETTER = StreamSpec(
    name="DEADLETTER", subjects=("deadletter.>",), max_age_s=30 * DAY_S, max_bytes=512 * MIB, discard="old"
)

STREAMS: Final = (
    TELEMETRY_RAW,
    TELEMETRY,
    DEVICES,
    HEARTBEATS,
    ACTUATORS,
    SAFETY,
    LOGIC,
    IDENTITY,
    DOWNLINK,
    DEADLETTER,
)


class Permissions(msgspec.Struct, frozen=True):
    """What one service may do on NATS: subjects that it may publish to, and subjects that it may subscribe to.

    Attributes:
        publishes: Subjects of events.
        owns: Streams that it makes and keeps as defined; whoever writes to a stream may, so that any may start first.
        reads: Streams that it consumes.
        trims: Streams that it makes room in, which only what all consumers have acknowledged leaves.
        says: Subjects that it publishes to and nobody keeps: signs of life.
        hears: Such subjects of others that it listens to.
        answers: Request subjects that it answers.
        asks: Request subjects that it asks.
        buckets: Key-value buckets that it uses.
    """

    publishes: tuple[str, ...] = ()
    owns: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    trims: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    hears: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    buckets: tuple[str, ...] = ()


DEVICE_SAID: Final = (
    "discovered",
    "returned",
    "lost",
    "announced",
    "config_answered",
    "zone_acked",
    "subzone_acked",
    "command_answered",
    "error_reported",
    "intent_outcome",
    "intent_stage",
    "sensor_answered",
    "onewire_scanned",
    "downlink_delivered",
    "downlink_expired",
    "downlink_refused",
)
"""Last tokens of the DEVICES subjects that the bridge writes; ingest writes those of :data:`DEVICE_REGISTRY`, and those
of :data:`DEVICE_CALIBRATION`."""

DEVICE_REGISTRY: Final = "device.*.*.registry.>"
"""Decisions about devices, which ingest writes."""

COMMANDS: Final = "actuator.*.*.*.command.>"
"""Commands and what became of them, which the actuator service writes."""

SHADOWS: Final = "actuator.*.*.*.shadow.>"
"""What is done where desired and reported states differ, which the actuator service writes."""

ACTUATOR_SAID: Final = (
    "status",
    "response",
    "alert",
    "emergency_acked",
    "emergency_answered",
    "recovery_confirmed",
    "lease_lost",
)
"""Last tokens of the ACTUATORS subjects that the bridge writes; the actuator service writes those of :data:`COMMANDS`
and :data:`SHADOWS`."""

SAFETY_ALIVE: Final = "alive.safety"
"""Safety says here each second that it decides; the bridge switches off what may not stay on without it."""

LOGIC_MARKS: Final = "alive.logic"
"""The instance of logic that decides says here how far it is, for those that stand by."""

LOGINS_TRIED: Final = "gateway.logins"
"""Attempts to log in, which gateways tell each other; nobody keeps them."""

EMERGENCY_REQUESTED: Final = "safety.emergency.requested"
"""The one subject of SAFETY that the gateway writes to: a stop waits for nobody."""

DEVICE_CALIBRATION: Final = "device.*.*.calibration.>"
"""Decisions about the parameters and the calibration of sensors, which ingest writes."""

PERMISSIONS: Final[dict[str, Permissions]] = {
    "bridge": Permissions(
        publishes=(
            "telemetry.raw.>",
            *(f"device.*.*.{event}" for event in DEVICE_SAID),
            "heartbeat.>",
            "health.>",
            *(f"actuator.*.*.*.{event}" for event in ACTUATOR_SAID),
            "deadletter.bridge",
        ),
        owns=("TELEMETRY_RAW", "DEVICES", "HEARTBEATS", "ACTUATORS", "SAFETY", "DOWNLINK", "DEADLETTER"),
        reads=("TELEMETRY_RAW", "DEVICES", "HEARTBEATS", "ACTUATORS", "SAFETY", "DOWNLINK"),
        hears=(SAFETY_ALIVE,),
        answers=("command.bridge.>",),
        buckets=("bridge",),
    ),
    "ingest": Permissions(
        publishes=(
            "telemetry.reading.>",
            DEVICE_REGISTRY,
            DEVICE_CALIBRATION,
            "device.*.*.silent",
            "device.*.*.restarted",
            "downlink.>",
            "deadletter.ingest",
        ),
        owns=("TELEMETRY", "DEVICES", "DOWNLINK", "DEADLETTER"),
        reads=("TELEMETRY_RAW", "TELEMETRY", "DEVICES", "HEARTBEATS"),
        trims=("TELEMETRY_RAW", "TELEMETRY"),
        answers=("query.ingest.>", "command.ingest.>"),
        buckets=("ingest",),
    ),
    "actuator": Permissions(
        publishes=(COMMANDS, SHADOWS, "downlink.>", "deadletter.actuator"),
        owns=("ACTUATORS", "DOWNLINK", "DEADLETTER"),
        reads=("ACTUATORS", "DEVICES", "HEARTBEATS", "SAFETY"),
        answers=("query.actuator.>", "command.actuator.>"),
        buckets=("actuator",),
    ),
    "safety": Permissions(
        publishes=("safety.>", "downlink.>", "deadletter.safety"),
        owns=("SAFETY", "DOWNLINK", "DEADLETTER"),
        reads=("ACTUATORS", "DEVICES", "HEARTBEATS", "TELEMETRY", "SAFETY"),
        says=(SAFETY_ALIVE,),
        answers=("query.safety.>", "command.safety.>"),
        asks=("command.ingest.configure_again",),
        buckets=("safety",),
    ),
    "logic": Permissions(
        publishes=("logic.>", "deadletter.logic"),
        owns=("LOGIC", "DEADLETTER"),
        reads=("TELEMETRY", "DEVICES", "HEARTBEATS", "ACTUATORS", "SAFETY", "LOGIC"),
        says=(LOGIC_MARKS,),
        hears=(LOGIC_MARKS,),
        answers=("query.logic.>", "command.logic.>"),
        asks=(
            "command.actuator.send",
            "query.actuator.actuators",
            "query.ingest.sensors",
            "query.ingest.latest",
            "query.ingest.history",
            "query.ingest.health",
        ),
        buckets=("logic",),
    ),
    "gateway": Permissions(
        publishes=("identity.>", EMERGENCY_REQUESTED, "deadletter.gateway", SETTLED),
        # LOGIC too, though it only reads it: its live stream is not to wait until logic runs for the first time
        owns=("SAFETY", "LOGIC", "IDENTITY", "DEADLETTER"),
        # TELEMETRY_RAW and DEADLETTER for whoever browses the log, and asks what a reading came of
        reads=(
            "TELEMETRY_RAW",
            "TELEMETRY",
            "DEVICES",
            "HEARTBEATS",
            "ACTUATORS",
            "SAFETY",
            "LOGIC",
            "IDENTITY",
            "DEADLETTER",
        ),
        says=(LOGINS_TRIED,),
        hears=(LOGINS_TRIED,),
        asks=("query.>", "command.>"),
        buckets=("gateway",),
    ),
}
