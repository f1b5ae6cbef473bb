import type { Signal } from "@preact/signals";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Sensor } from "../api/types";
import { t } from "../i18n";
import { complete } from "../live/feed";
import { sensors } from "../live/state";
import { toSensor } from "../router";
import { sensorName } from "../ui/names";
import { Age, Badge, Empty, Section } from "../ui/parts";
import { Search } from "../ui/search";
import { Value } from "../ui/value";

export function Sensors(): JSX.Element {
  const [wanted, setWanted] = useState("");
  const words = wanted.toLowerCase();
  const found = [...sensors.value.values()].filter((sensor) => {
    const { zone_id } = sensor.peek();
    return `${sensorName(sensor.peek())} ${zone_id}`.toLowerCase().includes(words);
  });
  return (
    <>
      <h1>{t("sensor.title")}</h1>
      <Section
        title={`${t("sensor.title")} (${found.length})`}
        aside={<Search value={wanted} onInput={setWanted} />}
      >
        {found.length === 0 ? (
          <Empty>{complete.value ? t("common.none") : t("common.loading")}</Empty>
        ) : (
          <div class="scroll">
            <table>
              <thead>
                <tr>
                  <th scope="col">{t("sensor.one")}</th>
                  <th scope="col">{t("device.zone")}</th>
                  <th scope="col" class="right">
                    {t("sensor.value")}
                  </th>
                  <th scope="col">{t("sensor.quality")}</th>
                  <th scope="col">{t("sensor.when")}</th>
                </tr>
              </thead>
              <tbody>
                {found.map((sensor) => (
                  <Row key={sensor.peek().sensor_id} sensor={sensor} />
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Section>
    </>
  );
}

/** A row of its own, so that a reading draws nothing else anew. */
function Row({ sensor }: { sensor: Signal<Sensor> }): JSX.Element {
  const { latest, stale, zone_id, interval_s } = sensor.value;
  return (
    <tr>
      <th scope="row">
        <a href={toSensor(sensor.value)}>{sensorName(sensor.value)}</a>
      </th>
      <td>{zone_id || "–"}</td>
      <td class="right">
        <Value sensor={sensor.value} />
      </td>
      <td>
        {stale ? <Badge tone="warn">{t("sensor.stale")}</Badge> : <span class="quiet">{latest?.quality ?? "–"}</span>}
      </td>
      <td>
        <Age since={latest?.measured_at ?? null} warn={3 * (interval_s ?? 60)} />
      </td>
    </tr>
  );
}
