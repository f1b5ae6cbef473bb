/** Values over time, drawn by uPlot: lines with their minimum and maximum around them, and gaps left open. */

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { language } from "../i18n";

/** One curve; `times` in unix seconds, null where there is nothing. */
export interface Curve {
  readonly label: string;
  readonly unit: string;
  readonly times: readonly number[];
  readonly values: readonly (number | null)[];
  readonly low?: readonly (number | null)[];
  readonly high?: readonly (number | null)[];
}

const COLOURS = ["#2f9e5b", "#2b7fd4", "#c77d12", "#a24bd0", "#d0455a", "#128f8f"];

type Column = readonly (number | null)[];

/** Curves as uPlot wants them: one axis of times, and a row a curve. Each curve has its unit's scale. */
export function columns(curves: readonly Curve[]): uPlot.AlignedData {
  const tables = curves.map((curve): uPlot.AlignedData => {
    const rows: Column[] = [curve.values];
    if (curve.low !== undefined && curve.high !== undefined) rows.push(curve.high, curve.low);
    return [curve.times, ...rows] as unknown as uPlot.AlignedData;
  });
  return tables.length === 0 ? [[]] : uPlot.join(tables, tables.map((table) => table.map(() => 2)));
}

function series(curves: readonly Curve[]): { series: uPlot.Series[]; bands: uPlot.Band[] } {
  const found: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  curves.forEach((curve, index) => {
    const stroke = COLOURS[index % COLOURS.length] ?? "#888";
    found.push({ label: curve.label, scale: curve.unit, stroke, width: 2, spanGaps: false, points: { size: 4 } });
    if (curve.low !== undefined && curve.high !== undefined) {
      const edge = { scale: curve.unit, stroke: "transparent", width: 0, points: { show: false } };
      bands.push({ series: [found.length, found.length + 1], fill: `${stroke}2e` });
      found.push({ ...edge, label: `${curve.label} ↑` }, { ...edge, label: `${curve.label} ↓` });
    }
  });
  return { series: found, bands };
}

function options(curves: readonly Curve[], width: number, onZoom: (from: number, to: number) => void): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--quiet").trim();
  const grid = { stroke: style.getPropertyValue("--line").trim(), width: 1 };
  const units = [...new Set(curves.map((curve) => curve.unit))];
  const axes: uPlot.Axis[] = units.map((unit, index) => ({
    scale: unit,
    label: unit,
    side: index % 2 === 0 ? 3 : 1,
    stroke: ink,
    grid: index === 0 ? grid : { show: false },
    size: 64,
  }));
  return {
    width,
    height: Math.max(220, Math.min(420, Math.round(width * 0.45))),
    ...series(curves),
    axes: [{ stroke: ink, grid }, ...axes],
    cursor: { drag: { x: true, y: false } },
    legend: { live: true },
    hooks: {
      setSelect: [
        (plot) => {
          if (plot.select.width < 8) return;
          const at = (px: number): number => plot.posToVal(px, "x");
          onZoom(at(plot.select.left), at(plot.select.left + plot.select.width));
        },
      ],
    },
  };
}

export function Chart(props: {
  curves: readonly Curve[];
  label: string;
  onZoom: (from: number, to: number) => void;
}): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const shape = props.curves.map((curve) => `${curve.label} ${curve.unit} ${curve.low !== undefined}`).join("|");

  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const made = new uPlot(options(props.curves, element.clientWidth, props.onZoom), columns(props.curves), element);
    plot.current = made;
    const observer = new ResizeObserver(() => {
      const width = element.clientWidth;
      made.setSize({ width, height: Math.max(220, Math.min(420, Math.round(width * 0.45))) });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [shape, language.value]);

  useEffect(() => {
    plot.current?.setData(columns(props.curves));
  }, [props.curves]);

  return <div class="chart" role="img" aria-label={props.label} ref={box} />;
}
