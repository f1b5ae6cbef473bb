/** Keeps the state by the live stream, and says how old it is when that is away. */

import { signal } from "@preact/signals";
import { type LiveEvent, LiveStream, NotAllowedError } from "kaiser-client";
import { all, ask, http } from "../api/http";
import { token, user } from "../api/session";
import type { Actuator, Device } from "../api/types";
import { actuatorKey, actuators, alerts, clear, devices, follow, put, sensors, stops, take } from "./state";

/** `since`: unix milliseconds, of when it became so. */
export interface Standing {
  readonly state: "connecting" | "live" | "lost";
  readonly since: number;
}

export const standing = signal<Standing>({ state: "connecting", since: Date.now() });

/** Whether all of the snapshot has come. */
export const complete = signal(false);

type Listener = (events: readonly LiveEvent[]) => void;

const listeners = new Set<Listener>();

/** Hear every event as it comes, until the function that is returned is called. */
export function listen(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Changes of one thing that come together are asked for once, and once more when its owner has surely heard of them. */
const TOGETHER_MS = 100;
const SURELY_MS = 1_500;

/** What is asked for soon, and what once more; each with its timer while there is some. */
interface Queue {
  readonly ms: number;
  readonly paths: Set<string>;
  timer: ReturnType<typeof setTimeout> | undefined;
}

const soon: Queue = { ms: TOGETHER_MS, paths: new Set(), timer: undefined };
const again: Queue = { ms: SURELY_MS, paths: new Set(), timer: undefined };

function askLater(paths: ReadonlySet<string>, queues: readonly Queue[] = [soon, again]): void {
  for (const queue of queues) {
    for (const path of paths) queue.paths.add(path);
    if (queue.paths.size > 0) queue.timer ??= setTimeout(() => void askNow(queue), queue.ms);
  }
}

async function askNow(queue: Queue): Promise<void> {
  const paths = [...queue.paths];
  queue.paths.clear();
  queue.timer = undefined;
  for (const path of paths) {
    try {
      await refresh(path);
    } catch {
      askLater(new Set([path]), [again]); // the gateway or an owner is away, and what is shown is old
    }
  }
}

async function refresh(path: string): Promise<void> {
  const [kind, esp, gpio] = path.split("/");
  if (kind === "emergency-stops") {
    const found = await all((cursor) => http.GET("/api/v1/emergency-stops", { params: { query: page(cursor) } }));
    stops.value = new Map(found.map((stop) => [stop.emergency_id, stop]));
  } else if (kind === "alerts") {
    const found = await all((cursor) => http.GET("/api/v1/alerts", { params: { query: page(cursor) } }));
    alerts.value = new Map(found.map((alert) => [alert.alert_id, alert]));
  } else if (kind === "sensors") {
    const found = await all((cursor) => http.GET("/api/v1/sensors", { params: { query: page(cursor) } }));
    take("sensors", found.filter((sensor) => !sensors.value.has(sensor.sensor_id)));
  } else if (kind === "actuators" && esp !== undefined && gpio !== undefined) {
    const found = await gone(
      ask(http.GET("/api/v1/actuators/{esp_id}/{gpio}", { params: { path: { esp_id: esp, gpio: Number(gpio) } } })),
    );
    put<Actuator>(actuators, actuatorKey(esp, Number(gpio)), found);
  } else if (kind === "actuators") {
    const found = await all((cursor) => http.GET("/api/v1/actuators", { params: { query: page(cursor) } }));
    actuators.value = new Map(found.map((one) => [actuatorKey(one.esp_id, one.gpio), one]));
  } else if (esp !== undefined) {
    const found = await gone(ask(http.GET("/api/v1/devices/{esp_id}", { params: { path: { esp_id: esp } } })));
    put<Device>(devices, esp, found);
  }
}

const page = (cursor: string | undefined) => ({ limit: 200, ...(cursor !== undefined && { cursor }) });

async function gone<Item>(found: Promise<Item>): Promise<Item | null> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof Error && "status" in error && error.status === 404) return null;
    throw error;
  }
}

/** Follow until aborted. After a hole in the stream it begins anew, with another snapshot. */
export async function run(signal_: AbortSignal): Promise<void> {
  while (!signal_.aborted) {
    const whole = new AbortController();
    signal_.addEventListener("abort", () => whole.abort(), { once: true });
    const live = new LiveStream(location.origin, token, {
      snapshot: true,
      onConnection: (stands) => {
        standing.value = { state: stands ? "live" : "lost", since: Date.now() };
      },
    });
    complete.value = false;
    let fresh = true;
    try {
      for await (const update of live.updates(whole.signal)) {
        if (update.missed.length > 0 && complete.value) break;
        if (update.snapshot !== undefined) {
          if (fresh) clear();
          fresh = false;
          take(update.snapshot.of, update.snapshot.items);
        }
        if (update.complete === true) complete.value = true;
        askLater(follow(update.events));
        for (const listener of listeners) listener(update.events);
      }
    } catch (error) {
      if (!(error instanceof NotAllowedError)) throw error;
      user.value = null;
      return;
    }
  }
}
