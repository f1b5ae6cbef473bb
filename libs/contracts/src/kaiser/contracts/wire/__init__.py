"""Every message of the wire contract as a struct, with canonical names and units; one module a family.

Devices' messages are read with :func:`kaiser.contracts.uplink.decode_uplink`, Kaiser's are written with
:func:`kaiser.contracts.downlink.encode_downlink`. Both know what a struct alone cannot say.
"""

from typing import Final

import msgspec

from kaiser.contracts.topics import DownlinkKind, UplinkKind
from kaiser.contracts.wire.actuators import ActuatorAlert, ActuatorCommand, ActuatorResponse, ActuatorStatus
from kaiser.contracts.wire.configuration import (
    ActuatorItem,
    ConfigFailure,
    ConfigResponse,
    DeviceConfig,
    OfflineRule,
    SensorItem,
    TimeFilter,
)
from kaiser.contracts.wire.emergencies import (
    BroadcastEmergency,
    DeviceEmergency,
    EmergencyAck,
    EmergencyReply,
    RecoveryConfirm,
)
from kaiser.contracts.wire.health import (
    ConfigStatus,
    Diagnostics,
    Heartbeat,
    HeartbeatMetrics,
    LastWill,
    QueuePressure,
    SessionAnnounce,
    SystemError,  # noqa: A004 - the contract's word
)
from kaiser.contracts.wire.intents import IntentOutcome, IntentStage
from kaiser.contracts.wire.sensors import OnewireDevice, OnewireScanResult, SensorCommand, SensorData, SensorResponse
from kaiser.contracts.wire.system import HeartbeatAck, ServerStatus, SystemCommand, SystemCommandResponse
from kaiser.contracts.wire.zones import SubzoneAck, SubzoneAssign, SubzoneRemove, SubzoneSafe, ZoneAck, ZoneAssign

__all__ = (
    "DOWNLINK_MESSAGES",
    "UPLINK_MESSAGES",
    "ActuatorAlert",
    "ActuatorCommand",
    "ActuatorItem",
    "ActuatorResponse",
    "ActuatorStatus",
    "BroadcastEmergency",
    "ConfigFailure",
    "ConfigResponse",
    "ConfigStatus",
    "DeviceConfig",
    "DeviceEmergency",
    "Diagnostics",
    "EmergencyAck",
    "EmergencyReply",
    "Heartbeat",
    "HeartbeatAck",
    "HeartbeatMetrics",
    "IntentOutcome",
    "IntentStage",
    "LastWill",
    "OfflineRule",
    "OnewireDevice",
    "OnewireScanResult",
    "QueuePressure",
    "RecoveryConfirm",
    "SensorCommand",
    "SensorData",
    "SensorItem",
    "SensorResponse",
    "ServerStatus",
    "SessionAnnounce",
    "SubzoneAck",
    "SubzoneAssign",
    "SubzoneRemove",
    "SubzoneSafe",
    "SystemCommand",
    "SystemCommandResponse",
    "SystemError",
    "TimeFilter",
    "ZoneAck",
    "ZoneAssign",
)

UPLINK_MESSAGES: Final[dict[UplinkKind, type[msgspec.Struct]]] = {
    UplinkKind.SENSOR_DATA: SensorData,
    UplinkKind.SENSOR_RESPONSE: SensorResponse,
    UplinkKind.ACTUATOR_STATUS: ActuatorStatus,
    UplinkKind.ACTUATOR_RESPONSE: ActuatorResponse,
    UplinkKind.ACTUATOR_ALERT: ActuatorAlert,
    UplinkKind.EMERGENCY_ACK: EmergencyAck,
    UplinkKind.EMERGENCY_RESPONSE: EmergencyReply,
    UplinkKind.EMERGENCY_ERROR: EmergencyReply,
    UplinkKind.RECOVERY_CONFIRM: RecoveryConfirm,
    UplinkKind.CONFIG_RESPONSE: ConfigResponse,
    UplinkKind.ZONE_ACK: ZoneAck,
    UplinkKind.SUBZONE_ACK: SubzoneAck,
    UplinkKind.SESSION_ANNOUNCE: SessionAnnounce,
    UplinkKind.ONEWIRE_SCAN_RESULT: OnewireScanResult,
    UplinkKind.HEARTBEAT: Heartbeat,
    UplinkKind.HEARTBEAT_METRICS: HeartbeatMetrics,
    UplinkKind.LAST_WILL: LastWill,
    UplinkKind.DIAGNOSTICS: Diagnostics,
    UplinkKind.SYSTEM_COMMAND_RESPONSE: SystemCommandResponse,
    UplinkKind.SYSTEM_ERROR: SystemError,
    UplinkKind.INTENT_OUTCOME: IntentOutcome,
    UplinkKind.INTENT_STAGE: IntentStage,
    UplinkKind.QUEUE_PRESSURE: QueuePressure,
}
"""What is said on each of a device's topics."""

DOWNLINK_MESSAGES: Final[dict[DownlinkKind, type[msgspec.Struct]]] = {
    DownlinkKind.SENSOR_COMMAND: SensorCommand,
    DownlinkKind.ACTUATOR_COMMAND: ActuatorCommand,
    DownlinkKind.DEVICE_EMERGENCY: DeviceEmergency,
    DownlinkKind.BROADCAST_EMERGENCY: BroadcastEmergency,
    DownlinkKind.CONFIG: DeviceConfig,
    DownlinkKind.SYSTEM_COMMAND: SystemCommand,
    DownlinkKind.HEARTBEAT_ACK: HeartbeatAck,
    DownlinkKind.ZONE_ASSIGN: ZoneAssign,
    DownlinkKind.SUBZONE_ASSIGN: SubzoneAssign,
    DownlinkKind.SUBZONE_REMOVE: SubzoneRemove,
    DownlinkKind.SUBZONE_SAFE: SubzoneSafe,
    DownlinkKind.SERVER_STATUS: ServerStatus,
}
"""What Kaiser says on each of its topics. ``sensor/{gpio}/processed`` has none: no firmware listens (section 3.1)."""
