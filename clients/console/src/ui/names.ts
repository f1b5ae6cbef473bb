/** How things are called where people read of them. */

import type { Actuator, Device, Sensor } from "../api/types";
import { actuatorKey, devices } from "../live/state";

/** A device's name, or its id where nobody gave it one. */
export const nameOf = (esp: string): string => devices.value.get(esp)?.name || esp;

export const deviceName = (device: Device): string => device.name || device.esp_id;

/** `ds18b20 · bench` of a sensor; its address where a pin has several. */
export const sensorName = (sensor: Sensor): string =>
  `${nameOf(sensor.esp_id)} · ${sensor.sensor_type} · ${sensor.gpio}${sensor.address ? ` (${sensor.address})` : ""}`;

export const actuatorName = (actuator: Actuator): string =>
  actuator.name || `${nameOf(actuator.esp_id)} · ${actuatorKey(actuator.actuator_type || "?", actuator.gpio)}`;

/** Whether it is on, by what the device itself says; null where it has not said so. */
export const isOn = (actuator: Actuator): boolean | null => {
  const level = actuator.reported?.level;
  return level === null || level === undefined ? null : level > 0;
};
