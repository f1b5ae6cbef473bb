/** What goes over the WebSocket, as `contracts/asyncapi.json` describes it. */

/** How events come: put together a few times a second, each at once, or only the newest value of each thing. */
export type Delivery = "frames" | "immediate" | "latest-only";

/** What a client wants; an absent or empty list is everything. */
export interface Filters {
  /** Event types, such as `sensor_data`. */
  readonly types?: readonly string[];
  /** Devices; what is about no single one, such as an emergency stop, comes all the same. */
  readonly esp_ids?: readonly string[];
  /** Zones, of events about a device. */
  readonly zones?: readonly string[];
  /** Sensor types, of events that have one. */
  readonly sensor_types?: readonly string[];
  /** Rules, of events that are about one. */
  readonly rule_ids?: readonly string[];
  /** With the readings of devices that nobody has approved; for those who may approve them. */
  readonly pending?: boolean;
}

/** What every event has. */
export interface Common {
  /** Device; absent from what is about no single one. */
  readonly esp_id?: string;
  /** Unix seconds. */
  readonly timestamp: number;
}

/** A finished reading. */
export interface SensorData extends Common {
  readonly esp_id: string;
  readonly gpio: number;
  readonly sensor_type: string;
  readonly address: string;
  /** Null on error, for 0 is a value. */
  readonly value: number | null;
  readonly unit: string;
  readonly quality: string;
  readonly raw: number;
  /** Unix microseconds of the time that counts; `time_source` says whose clock it is. */
  readonly measured_at: number;
  readonly time_source: string;
  /** When it came from the broker, unix microseconds. */
  readonly received_at: number;
  readonly zone_id: string;
  readonly subzone_id: string;
  readonly pending: boolean;
  /** 63 bits, as text. */
  readonly sensor_id: string;
  /** 63 bits, as text. */
  readonly reading_id: string;
}

/** Whether a device is there. */
export interface EspHealth extends Common {
  readonly esp_id: string;
  readonly status: "online" | "offline" | "flapping";
  readonly reason?: string;
  readonly heap_free?: number;
  readonly wifi_rssi?: number;
  readonly uptime?: number;
  readonly sensor_count?: number;
  readonly actuator_count?: number;
}

/** What an actuator is, as its device says. */
export interface ActuatorStatus extends Common {
  readonly esp_id: string;
  readonly gpio: number;
  readonly actuator_type?: string;
  readonly state: boolean | null;
  /** 0.0 to 1.0. */
  readonly value: number | null;
  readonly emergency: string;
}

/** What a device complains of. */
export interface ActuatorAlert extends Common {
  readonly esp_id: string;
  readonly gpio: number;
  readonly alert_type: string;
  readonly severity: "critical" | "warning";
  readonly message: string;
  readonly zone_id: string;
}

/** A run of a rule. */
export interface LogicExecution extends Common {
  readonly rule_id: string;
  readonly rule_name: string;
  readonly state: string;
  readonly trigger: string;
  readonly action: string | null;
  readonly success: boolean | null;
  readonly message: string;
}

/** Event types whose data are typed here; all others have their fields in AsyncAPI. */
export interface EventData {
  readonly sensor_data: SensorData;
  readonly esp_health: EspHealth;
  readonly actuator_status: ActuatorStatus;
  readonly actuator_alert: ActuatorAlert;
  readonly logic_execution: LogicExecution;
}

/** An event: its name, its sequence in its stream, unix microseconds, and what it tells. */
export interface LiveEvent<Type extends string = string> {
  readonly type: Type;
  readonly seq: number;
  readonly time: number;
  readonly data: Type extends keyof EventData ? EventData[Type] : Common & Readonly<Record<string, unknown>>;
}

/** Whether an event is of a type; its data are typed then. */
export function is<Type extends string>(event: LiveEvent, type: Type): event is LiveEvent<Type> {
  return event.type === type;
}

/** What a client will not get, and why. */
export interface Missed {
  readonly type: "missed";
  readonly stream: string;
  readonly from_seq: number;
  readonly to_seq: number;
  /** The client was too slow, the log let it go, it is too much, or the log is another one. */
  readonly reason: "slow" | "gone" | "far" | "reset";
  /** Null where nobody has counted. */
  readonly count: number | null;
}

/** How things stood; items as the REST API has them. */
export interface SnapshotPart {
  readonly type: "snapshot";
  readonly of: "devices" | "sensors" | "actuators" | "alerts" | "emergency-stops";
  readonly items: readonly unknown[];
  /** Why there are none. */
  readonly problem?: string;
}

/** What the gateway says. */
export type Heard =
  | { readonly type: "authenticated"; readonly user: string; readonly expires_at: number }
  | { readonly type: "subscribed"; readonly cursor: string }
  | { readonly type: "unsubscribed" }
  | { readonly type: "pong"; readonly time: number }
  | { readonly type: "heartbeat"; readonly time: number; readonly every_s: number; readonly cursor: string }
  | { readonly type: "frame"; readonly events: readonly LiveEvent[]; readonly cursor: string }
  | Missed
  | SnapshotPart
  | { readonly type: "snapshot_end"; readonly cursor: string }
  | { readonly type: "goodbye"; readonly reconnect_after_s: number }
  | { readonly type: "error"; readonly code: string; readonly detail: string };

/** Codes that the gateway closes a socket with. */
export const Close = {
  NOT_AUTHENTICATED: 4001,
  EXPIRED: 4002,
  REVOKED: 4003,
  TOO_MANY: 4008,
  RESTARTING: 1012,
  NOT_READY: 1013,
} as const;
