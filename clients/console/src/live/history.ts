/** What a sensor measured: from the gateway's history, in the resolution that fits the span. */

import { ask, http } from "../api/http";
import type { components } from "../api/schema";
import type { Sensor } from "../api/types";

type History = components["schemas"]["views_HistoryView"];

/** A span in unix seconds. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Points of one sensor; `low` and `high` where each stands for many readings. Null ends a line: a gap. */
export interface Past {
  readonly resolution: string;
  readonly times: number[];
  readonly values: (number | null)[];
  readonly low?: (number | null)[];
  readonly high?: (number | null)[];
  readonly gaps: number;
}

const seconds = (iso: string): number => Date.parse(iso) / 1000;

/**
 * All points of a span.
 *
 * @throws Problem The gateway says no, and why.
 */
export async function past(sensor: Sensor, span: Span): Promise<Past> {
  const path = { esp_id: sensor.esp_id, gpio: sensor.gpio, sensor_type: sensor.sensor_type };
  const query = {
    from: String(span.from),
    to: String(span.to),
    limit: 10_000,
    ...(sensor.address && { address: sensor.address }),
  };
  const pages: History[] = [];
  let cursor: string | undefined;
  do {
    const params = { path, query: { ...query, ...(cursor && { cursor }) } };
    const page = await ask(http.GET("/api/v1/sensors/{esp_id}/{gpio}/{sensor_type}/history", { params }));
    pages.push(page);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return pointsOf(pages);
}

/** Points of pages, with the gaps that the gateway names left open. */
export function pointsOf(pages: readonly History[]): Past {
  const rollups = pages.flatMap((page) => page.rollups ?? []);
  const readings = pages.flatMap((page) => page.readings ?? []);
  const gaps = pages.flatMap((page) => page.gaps ?? []);
  const resolution = pages[0]?.resolution ?? "raw";
  const rows: [number, number | null, number | null, number | null][] =
    rollups.length > 0
      ? rollups.map((one) => [seconds(one.start), one.mean ?? null, one.minimum ?? null, one.maximum ?? null])
      : readings.map((one) => [seconds(one.measured_at), one.value ?? null, null, null]);
  for (const gap of gaps) rows.push([(seconds(gap.start) + seconds(gap.end)) / 2, null, null, null]);
  rows.sort((a, b) => a[0] - b[0]);
  const found = { resolution, times: rows.map((row) => row[0]), values: rows.map((row) => row[1]), gaps: gaps.length };
  return rollups.length > 0 ? { ...found, low: rows.map((row) => row[2]), high: rows.map((row) => row[3]) } : found;
}

