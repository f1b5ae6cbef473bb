import type { JSX } from "preact";
import type { Sensor } from "../api/types";
import { number, t } from "../i18n";

/** A sensor's latest value with its unit; what is old, doubtful or no value at all looks so. */
export function Value({ sensor }: { sensor: Sensor }): JSX.Element {
  const latest = sensor.latest;
  if (latest === null) return <span class="quiet">{t("sensor.noReading")}</span>;
  if (latest.value === null) return <span class="bad-text">{t("sensor.error")}</span>;
  const doubtful = sensor.stale || !["good", "excellent"].includes(latest.quality);
  return (
    <span class={doubtful ? "value doubtful" : "value"}>
      {number(latest.value)} <small>{latest.unit}</small>
    </span>
  );
}
