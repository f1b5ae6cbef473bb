/** Pages by the part of the address behind `#`, so that any server of files will do. */

import { signal } from "@preact/signals";

const read = (): readonly string[] => location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);

/** The parts of the path: `#/devices/ESP_00A1B2` is `["devices", "ESP_00A1B2"]`; `[""]` is the overview. */
export const path = signal<readonly string[]>(read());

window.addEventListener("hashchange", () => {
  path.value = read();
  window.scrollTo(0, 0);
});

/** The address of a page. */
export const to = (...parts: readonly (string | number)[]): string =>
  `#/${parts.map((part) => encodeURIComponent(part)).join("/")}`;

/** The page of a sensor. */
export const toSensor = (sensor: { sensor_id: string }): string => to("sensors", sensor.sensor_id);
