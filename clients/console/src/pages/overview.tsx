/** What somebody sees who looks in for a second: whether all is well, and if not, what is not. */

import type { Signal } from "@preact/signals";
import type { JSX } from "preact";
import type { Actuator, Device, Sensor } from "../api/types";
import { share, t } from "../i18n";
import { complete } from "../live/feed";
import { actuators, alerts, devices, sensors, stops } from "../live/state";
import { to, toSensor } from "../router";
import { actuatorName, deviceName, isOn, sensorName } from "../ui/names";
import { Age, Badge, Empty, Section, type Tone } from "../ui/parts";
import { Value } from "../ui/value";
import { StopLine } from "./stops";

const SEVERITY: Readonly<Record<string, Tone>> = { critical: "bad", error: "bad", warning: "warn", info: "quiet" };

export function Overview(): JSX.Element {
  const known = [...devices.value.values()].filter((device) => device.state !== "rejected" && device.state !== "retired");
  const approved = known.filter((device) => device.state === "approved");
  if (!complete.value) return <Empty>{t("common.loading")}</Empty>;
  return (
    <>
      <h1>{t("overview.title")}</h1>
      <Attention devices={known} />
      {known.length === 0 ? <Empty>{t("overview.empty")}</Empty> : <Zones devices={approved} />}
      <WhatIsOn />
    </>
  );
}

function Attention({ devices: known }: { devices: readonly Device[] }): JSX.Element {
  const pending = known.filter((device) => device.state === "pending");
  const offline = known.filter((device) => device.state === "approved" && !device.online);
  const stale = [...sensors.value.values()].filter((sensor) => sensor.value.stale);
  const count = stops.value.size + alerts.value.size + pending.length + offline.length + stale.length;
  if (count === 0) {
    return (
      <p class="well">
        <Badge tone="good">✓</Badge> {t("overview.allWell")}
      </p>
    );
  }
  return (
    <Section title={t("overview.attention")}>
      <ul class="rows">
        {[...stops.value.values()].map((stop) => (
          <li key={stop.emergency_id}>
            <StopLine stop={stop} />
          </li>
        ))}
        {[...alerts.value.values()].map((alert) => (
          <li key={alert.alert_id}>
            <Badge tone={SEVERITY[alert.severity] ?? "quiet"}>{alert.severity}</Badge>
            <span class="grow">
              {alert.detail || alert.kind} <a href={to("devices", alert.esp_id)}>{alert.esp_id}</a>
            </span>
            <Age since={alert.last_at} />
          </li>
        ))}
        {pending.map((device) => (
          <li key={device.esp_id}>
            <Badge tone="warn">{t("overview.pending")}</Badge>
            <a class="grow" href={to("devices", device.esp_id)}>
              {deviceName(device)}
            </a>
            <Age since={device.first_seen_at} />
          </li>
        ))}
        {offline.map((device) => (
          <li key={device.esp_id}>
            <Badge tone="bad">{t("overview.offline")}</Badge>
            <a class="grow" href={to("devices", device.esp_id)}>
              {deviceName(device)}
            </a>
            <Age since={device.last_seen_at} />
          </li>
        ))}
        {stale.map((sensor) => (
          <li key={sensor.value.sensor_id}>
            <Badge tone="warn">{t("overview.stale")}</Badge>
            <a class="grow" href={toSensor(sensor.value)}>
              {sensorName(sensor.value)}
            </a>
            <Age since={sensor.value.latest?.measured_at ?? null} />
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Zones({ devices: approved }: { devices: readonly Device[] }): JSX.Element {
  const zones = new Map<string, Device[]>();
  for (const device of approved) zones.set(device.zone_id, [...(zones.get(device.zone_id) ?? []), device]);
  const names = [...zones.keys()].sort();
  return (
    <Section title={t("overview.zones")}>
      <div class="tiles">
        {names.map((zone) => {
          const members = zones.get(zone) ?? [];
          const online = members.filter((device) => device.online).length;
          const values = [...sensors.value.values()].filter((sensor) => sensor.value.zone_id === zone);
          return (
            <article class="tile" key={zone}>
              <h3>{zone || t("common.noZone")}</h3>
              <p class={online < members.length ? "late" : "quiet"}>
                {t("overview.devicesOnline", { online, all: members.length })}
              </p>
              <ul class="values">
                {values.slice(0, 6).map((sensor) => (
                  <li key={sensor.value.sensor_id}>
                    <Live sensor={sensor} />
                  </li>
                ))}
              </ul>
            </article>
          );
        })}
      </div>
    </Section>
  );
}

function Live({ sensor }: { sensor: Signal<Sensor> }): JSX.Element {
  return (
    <a href={toSensor(sensor.value)}>
      <span class="quiet">{sensor.value.sensor_type}</span> <Value sensor={sensor.value} />
    </a>
  );
}

function WhatIsOn(): JSX.Element {
  const on = [...actuators.value.values()].filter((actuator: Actuator) => isOn(actuator) === true);
  return (
    <Section title={t("overview.isOn")} aside={<a href={to("actuators")}>{t("nav.actuators")}</a>}>
      {on.length === 0 ? (
        <Empty>{t("overview.nothingOn")}</Empty>
      ) : (
        <ul class="rows">
          {on.map((actuator) => (
            <li key={`${actuator.esp_id}/${actuator.gpio}`}>
              <Badge tone="on">{share(actuator.reported?.level ?? 0)}</Badge>
              <a class="grow" href={to("actuators", actuator.esp_id, actuator.gpio)}>
                {actuatorName(actuator)}
              </a>
              <Age since={actuator.reported?.changed_at ?? null} />
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}
