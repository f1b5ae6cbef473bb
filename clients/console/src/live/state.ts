/** How things stand, as the gateway said it last: a snapshot, and every event since. */

import { batch, signal, type Signal } from "@preact/signals";
import { is, type LiveEvent, type SensorData } from "kaiser-client";
import type { Actuator, Alert, Device, Reading, Sensor, Stop } from "../api/types";

export const devices = signal<ReadonlyMap<string, Device>>(new Map());
/** A signal each, for readings come by the hundred and concern one row of a page. */
export const sensors = signal<ReadonlyMap<string, Signal<Sensor>>>(new Map());
export const actuators = signal<ReadonlyMap<string, Actuator>>(new Map());
export const alerts = signal<ReadonlyMap<string, Alert>>(new Map());
export const stops = signal<ReadonlyMap<string, Stop>>(new Map());

export const actuatorKey = (esp: string, gpio: number): string => `${esp}/${gpio}`;

/** What keeps one kind of things, by the name that snapshots have for it. */
interface Shelf {
  clear(): void;
  take(items: readonly unknown[]): void;
}

function shelf<Item>(kept: Signal<ReadonlyMap<string, Item>>, key: (item: Item) => string): Shelf {
  return {
    clear: () => {
      kept.value = new Map();
    },
    take: (items) => {
      kept.value = new Map([...kept.value, ...(items as Item[]).map((item) => [key(item), item] as const)]);
    },
  };
}

const SHELVES: ReadonlyMap<string, Shelf> = new Map([
  ["devices", shelf(devices, (device) => device.esp_id)],
  ["actuators", shelf(actuators, (one) => actuatorKey(one.esp_id, one.gpio))],
  ["alerts", shelf(alerts, (alert) => alert.alert_id)],
  ["emergency-stops", shelf(stops, (stop) => stop.emergency_id)],
]);

/** Forget everything: another snapshot follows. */
export function clear(): void {
  batch(() => {
    for (const kept of SHELVES.values()) kept.clear();
    sensors.value = new Map();
  });
}

/** Take a part of a snapshot. */
export function take(of: string, items: readonly unknown[]): void {
  if (of === "sensors") {
    const kept = new Map(sensors.value);
    for (const sensor of items as readonly Sensor[]) kept.set(sensor.sensor_id, signal(sensor));
    sensors.value = kept;
    return;
  }
  SHELVES.get(of)?.take(items); // of a newer gateway there may be more
}

/** Put one thing in its place, or take it away. */
export function put<Item>(kept: Signal<ReadonlyMap<string, Item>>, key: string, item: Item | null): void {
  const next = new Map(kept.value);
  if (item === null) next.delete(key);
  else next.set(key, item);
  kept.value = next;
}

/**
 * What events tell in full is taken at once.
 *
 * @returns What they only say to have changed, to be asked for: paths of the API below `/api/v1`.
 */
export function follow(events: readonly LiveEvent[]): ReadonlySet<string> {
  const stale = new Set<string>();
  batch(() => {
    for (const event of events) {
      if (is(event, "sensor_data")) {
        if (!read(event.data)) stale.add("sensors");
      } else {
        for (const path of changed(event)) stale.add(path);
      }
    }
  });
  return stale;
}

function read(data: SensorData): boolean {
  const kept = sensors.value.get(data.sensor_id);
  if (kept === undefined) return data.pending; // who has not been approved is not shown
  const before = kept.value;
  const measured = Date.parse(before.latest?.measured_at ?? "1970-01-01T00:00:00Z") * 1000;
  if (data.measured_at >= measured) kept.value = { ...before, stale: false, latest: readingOf(data) };
  return true;
}

const isoOf = (us: number): string => new Date(us / 1000).toISOString();

function readingOf(data: SensorData): Reading {
  return {
    reading_id: data.reading_id,
    measured_at: isoOf(data.measured_at),
    received_at: isoOf(data.received_at),
    stored_at: isoOf(data.received_at),
    device_at: null,
    time_source: data.time_source,
    raw: data.raw,
    value: data.value,
    unit: data.unit,
    quality: data.quality as Reading["quality"],
    zone_id: data.zone_id,
    subzone_id: data.subzone_id,
    pending: data.pending,
    flags: [],
  };
}

const OF_ACTUATORS: ReadonlySet<string> = new Set([
  "command",
  "actuator_status",
  "actuator_response",
  "actuator_drifted",
  "actuator_settled",
  "actuator_stopped",
  "actuator_stop_confirmed",
]);

function changed({ type, data }: LiveEvent): readonly string[] {
  const esp = data.esp_id;
  if (type === "emergency_stop" || type === "actuator_stop_confirmed") return ["emergency-stops"];
  if (type === "alert") return ["alerts"];
  if (esp === undefined) return [];
  if (OF_ACTUATORS.has(type)) {
    const own = `actuators/${actuatorKey(esp, Number(data["gpio"]))}`;
    return stops.peek().size > 0 ? [own, "emergency-stops"] : [own]; // it may be off by now, as it was told
  }
  if (type === "config_response") return ["sensors", "actuators", `devices/${esp}`];
  return [`devices/${esp}`];
}
