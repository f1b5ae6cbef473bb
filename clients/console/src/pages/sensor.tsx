/** A sensor over time, live and past, beside others. */

import type { JSX } from "preact";
import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { is } from "kaiser-client";
import { token } from "../api/session";
import type { Sensor } from "../api/types";
import { t } from "../i18n";
import type { Key } from "../i18n/en";
import { complete, listen } from "../live/feed";
import { type Past, past, type Span } from "../live/history";
import { sensors } from "../live/state";
import { to } from "../router";
import { Chart, type Curve } from "../ui/chart";
import { nameOf, sensorName } from "../ui/names";
import { Age, Empty, Section } from "../ui/parts";
import { ProblemBox } from "../ui/problem";
import { Value } from "../ui/value";
import { useWork } from "../ui/work";

const SPANS: readonly (readonly [Key, number])[] = [
  ["sensor.hour", 3_600],
  ["sensor.day", 86_400],
  ["sensor.week", 7 * 86_400],
  ["sensor.month", 31 * 86_400],
  ["sensor.year", 366 * 86_400],
];

const last = (length: number): Span => ({ from: Math.floor(Date.now() / 1000) - length, to: Math.ceil(Date.now() / 1000) });

export function SensorPage({ id }: { id: string }): JSX.Element {
  const sensor = sensors.value.get(id);
  if (sensor === undefined) {
    return <Empty>{complete.value ? t("common.none") : t("common.loading")}</Empty>;
  }
  return (
    <>
      <h1>{sensorName(sensor.value)}</h1>
      <p class="now">
        <Value sensor={sensor.value} /> <Age since={sensor.value.latest?.measured_at ?? null} />{" "}
        <a href={to("devices", sensor.value.esp_id)}>{nameOf(sensor.value.esp_id)}</a>
      </p>
      <History key={id} sensor={sensor.peek()} />
    </>
  );
}

function History({ sensor }: { sensor: Sensor }): JSX.Element {
  const [length, setLength] = useState(3_600);
  const [span, setSpan] = useState<Span>(() => last(3_600));
  const [zoomed, setZoomed] = useState(false);
  const [others, setOthers] = useState<readonly string[]>([]);
  const [found, setFound] = useState<ReadonlyMap<string, Past>>(new Map());
  const [error, setError] = useState<unknown>(null);
  const shown = useMemo(() => [sensor.sensor_id, ...others], [sensor.sensor_id, others]);

  useEffect(() => {
    let wanted = true;
    const load = async (): Promise<void> => {
      const named = shown.flatMap((id) => sensors.peek().get(id)?.peek() ?? []);
      const points = await Promise.all(named.map((one) => past(one, span)));
      if (!wanted) return;
      setFound(new Map(named.map((one, index) => [one.sensor_id, points[index] as Past])));
      setError(null);
    };
    load().catch(setError);
    return () => {
      wanted = false;
    };
  }, [shown, span]);

  useEffect(() => {
    if (zoomed) return undefined;
    return listen((events) => {
      const news = events.flatMap((event) =>
        is(event, "sensor_data") && shown.includes(event.data.sensor_id) && !event.data.pending ? [event.data] : [],
      );
      if (news.length > 0) setFound((before) => grown(before, news));
    });
  }, [shown, zoomed]);

  const zoom = useCallback((from: number, until: number) => {
    setZoomed(true);
    setSpan({ from, to: until });
  }, []);
  const choose = (chosen: number): void => {
    setLength(chosen);
    setZoomed(false);
    setSpan(last(chosen));
  };
  const curves = useMemo(() => curvesOf(shown, found), [shown, found]);
  const main = found.get(sensor.sensor_id);
  return (
    <Section title={t("sensor.chart", { sensor: sensor.sensor_type })} aside={<Export sensor={sensor} span={span} />}>
      <div class="choices" role="group" aria-label={t("sensor.span")}>
        {SPANS.map(([key, seconds]) => (
          <button key={key} aria-pressed={!zoomed && length === seconds} onClick={() => choose(seconds)}>
            {t(key)}
          </button>
        ))}
      </div>
      <ProblemBox error={error} />
      {curves.some((curve) => curve.times.length > 0) ? (
        <Chart curves={curves} label={t("sensor.chart", { sensor: sensorName(sensor) })} onZoom={zoom} />
      ) : (
        <Empty>{main === undefined && error === null ? t("common.loading") : t("sensor.noData")}</Empty>
      )}
      {main !== undefined && (
        <p class="quiet">
          {t("sensor.resolution", { resolution: main.resolution === "raw" ? t("sensor.raw") : main.resolution })}
          {main.gaps > 0 && ` · ${t("sensor.gaps", { count: main.gaps })}`}
          {!zoomed && ` · ${t("sensor.live")}`}
        </p>
      )}
      <Compare sensor={sensor} chosen={others} onChoose={setOthers} />
    </Section>
  );
}

interface News {
  readonly sensor_id: string;
  readonly measured_at: number;
  readonly value: number | null;
}

/** Points with what has come since. A rollup's last bucket is made anew with the next load; between, readings show. */
function grown(before: ReadonlyMap<string, Past>, news: readonly News[]): ReadonlyMap<string, Past> {
  const next = new Map(before);
  for (const reading of news) {
    const kept = next.get(reading.sensor_id);
    const at = reading.measured_at / 1e6;
    if (kept === undefined || at <= (kept.times.at(-1) ?? 0)) continue;
    const edges = kept.low && kept.high ? { low: [...kept.low, null], high: [...kept.high, null] } : {};
    next.set(reading.sensor_id, { ...kept, times: [...kept.times, at], values: [...kept.values, reading.value], ...edges });
  }
  return next;
}

function curvesOf(ids: readonly string[], found: ReadonlyMap<string, Past>): readonly Curve[] {
  return ids.flatMap((id) => {
    const sensor = sensors.peek().get(id)?.peek();
    const points = found.get(id);
    return sensor && points ? [{ label: sensorName(sensor), unit: sensor.unit, ...points }] : [];
  });
}

function Compare(props: {
  sensor: Sensor;
  chosen: readonly string[];
  onChoose: (ids: readonly string[]) => void;
}): JSX.Element {
  const choices = [...sensors.value.values()].map((one) => one.peek()).filter((one) => one.sensor_id !== props.sensor.sensor_id);
  return (
    <label>
      {t("sensor.compare")}
      <select
        multiple
        size={Math.min(6, Math.max(2, choices.length))}
        onChange={(event) => {
          props.onChoose([...event.currentTarget.selectedOptions].slice(0, 5).map((option) => option.value));
        }}
      >
        {choices.map((one) => (
          <option key={one.sensor_id} value={one.sensor_id} selected={props.chosen.includes(one.sensor_id)}>
            {sensorName(one)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** The readings of the span as a file. It is fetched with the token, which is in no address. */
function Export({ sensor, span }: { sensor: Sensor; span: Span }): JSX.Element {
  const work = useWork();
  const save = (): void =>
    work.run(async () => {
      const query = new URLSearchParams({ from: String(span.from), to: String(span.to), address: sensor.address });
      const address = `/api/v1/sensors/${sensor.esp_id}/${sensor.gpio}/${sensor.sensor_type}/export.csv?${query}`;
      const answer = await fetch(address, { headers: { Authorization: `Bearer ${await token()}` } });
      if (!answer.ok) throw new Error(String(answer.status));
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await answer.blob());
      link.download = `${sensor.esp_id}-${sensor.gpio}-${sensor.sensor_type}.csv`;
      link.click();
      URL.revokeObjectURL(link.href);
    });
  return (
    <button disabled={work.busy} onClick={save}>
      {t("sensor.export")}
    </button>
  );
}
