/** One device: whether it is there, what hangs on it, what it was told, and what happened to it. */

import { toSvg } from "lean-qr/extras/svg";
import { generate } from "lean-qr";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { all, ask, http } from "../api/http";
import { user } from "../api/session";
import type { Device, Event } from "../api/types";
import { moment, number, t } from "../i18n";
import { complete } from "../live/feed";
import { actuators, devices, put, sensors } from "../live/state";
import { to, toSensor } from "../router";
import { Dialog } from "../ui/dialog";
import { actuatorName, deviceName } from "../ui/names";
import { Age, Empty, Fact, Section } from "../ui/parts";
import { ProblemBox } from "../ui/problem";
import { may } from "../ui/rights";
import { Presence, State } from "../ui/standing";
import { Switched } from "../ui/switched";
import { Value } from "../ui/value";
import { useWork } from "../ui/work";

export function DevicePage({ esp }: { esp: string }): JSX.Element {
  const device = devices.value.get(esp);
  const [key, setKey] = useState<Key | null>(null); // here, for who decides is gone with the decision
  if (device === undefined) {
    return <Empty>{complete.value ? t("device.notThere", { device: esp }) : t("common.loading")}</Empty>;
  }
  return (
    <>
      <h1>
        {deviceName(device)} <State device={device} /> <Presence device={device} />
      </h1>
      {device.state === "pending" && may("engineer") && <Decide device={device} onKey={setKey} />}
      {key !== null && <HandOver device={device} given={key} onClose={() => setKey(null)} />}
      <Facts device={device} />
      <Sensors esp={esp} />
      <Actuators esp={esp} />
      {may("engineer") && (user.value?.zones.length ?? 0) === 0 && <Log device={device} />}
    </>
  );
}

function Facts({ device }: { device: Device }): JSX.Element {
  return (
    <Section title={t("device.id")}>
      <dl class="facts">
        <Fact name={t("device.id")}>
          <code>{device.esp_id}</code>
        </Fact>
        <Fact name={t("device.zone")}>{device.zone_id || t("common.noZone")}</Fact>
        <Fact name={t("device.lastSeen")}>
          <Age since={device.last_seen_at} warn={180} />
        </Fact>
        <Fact name={t("device.signal")}>
          {device.wifi_rssi_dbm === null ? t("common.unknown") : `${number(device.wifi_rssi_dbm)} dBm`}
        </Fact>
        <Fact name={t("device.firmware")}>
          {device.firmware_version || t("common.unknown")} ({device.generation})
        </Fact>
        <Fact name={t("device.restarts")}>{device.restarts}</Fact>
        <Fact name={t("device.config")}>{device.config_state || t("common.none")}</Fact>
      </dl>
    </Section>
  );
}

function Sensors({ esp }: { esp: string }): JSX.Element {
  const own = [...sensors.value.values()].filter((sensor) => sensor.peek().esp_id === esp);
  return (
    <Section title={t("sensor.title")}>
      {own.length === 0 && <Empty>{t("device.noSensors")}</Empty>}
      <ul class="rows">
        {own.map((sensor) => (
          <li key={sensor.peek().sensor_id}>
            <a class="grow" href={toSensor(sensor.value)}>
              {sensor.value.sensor_type} · {sensor.value.gpio}
            </a>
            <Value sensor={sensor.value} />
            <Age since={sensor.value.latest?.measured_at ?? null} warn={3 * (sensor.value.interval_s ?? 60)} />
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Actuators({ esp }: { esp: string }): JSX.Element {
  const own = [...actuators.value.values()].filter((actuator) => actuator.esp_id === esp);
  return (
    <Section title={t("actuator.title")}>
      {own.length === 0 && <Empty>{t("device.noActuators")}</Empty>}
      <ul class="rows">
        {own.map((actuator) => (
          <li key={actuator.gpio}>
            <a class="grow" href={to("actuators", actuator.esp_id, actuator.gpio)}>
              {actuatorName(actuator)}
            </a>
            <Switched actuator={actuator} />
          </li>
        ))}
      </ul>
    </Section>
  );
}

interface Key {
  readonly username: string;
  readonly key: string;
}

function Decide({ device, onKey }: { device: Device; onKey: (key: Key) => void }): JSX.Element {
  const [asking, setAsking] = useState(false);
  const work = useWork();
  const approve = (): void =>
    work.run(async () => {
      const path = { esp_id: device.esp_id };
      const said = await ask(http.POST("/api/v1/devices/{esp_id}/approve", { params: { path }, body: {} }));
      setAsking(false);
      if (said.username && said.key) onKey({ username: said.username, key: said.key });
      put(devices, device.esp_id, { ...device, state: said.state });
    });
  return (
    <div class="buttons">
      <button class="primary" onClick={() => setAsking(true)}>
        {t("device.approve")}
      </button>
      {asking && (
        <Dialog title={t("device.approveTitle", { device: deviceName(device) })} onClose={() => setAsking(false)}>
          <p>{t("device.approveText")}</p>
          <ProblemBox error={work.error} />
          <div class="buttons">
            <button onClick={() => setAsking(false)}>{t("common.cancel")}</button>
            <button class="primary" disabled={work.busy} onClick={approve}>
              {t("device.approve")}
            </button>
          </div>
        </Dialog>
      )}
    </div>
  );
}

/** A device's key, to be scanned by whoever stands in front of it. */
function HandOver(props: { device: Device; given: Key; onClose: () => void }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const { username, key } = props.given;
  useEffect(() => {
    const drawn = toSvg(generate(JSON.stringify({ username, password: key })), document, { pad: 2 });
    drawn.setAttribute("aria-hidden", "true");
    box.current?.replaceChildren(drawn);
  }, [username, key]);
  return (
    <Dialog title={t("device.keyTitle", { device: deviceName(props.device) })} onClose={props.onClose}>
      <p>{t("device.keyText")}</p>
      <div class="qr" ref={box} />
      <dl class="facts">
        <Fact name={t("device.keyUser")}>
          <code>{username}</code>
        </Fact>
        <Fact name={t("device.keyKey")}>
          <code>{key}</code>
        </Fact>
      </dl>
      <div class="buttons">
        <button class="primary" onClick={props.onClose}>
          {t("common.close")}
        </button>
      </div>
    </Dialog>
  );
}

/** What the log has of a device, newest first. */
function Log({ device }: { device: Device }): JSX.Element {
  const [events, setEvents] = useState<readonly Event[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    const aggregate = `device/${device.esp_id}`;
    all((cursor) => http.GET("/api/v1/events", { params: { query: { aggregate, ...(cursor && { cursor }) } } }))
      .then((found) => setEvents(found.reverse()))
      .catch(setError);
  }, [device.esp_id, device.seq]);
  return (
    <Section title={t("device.log")}>
      <ProblemBox error={error} />
      {events === null ? error === null && <Empty>{t("common.loading")}</Empty> : null}
      {events?.length === 0 && <Empty>{t("device.noLog")}</Empty>}
      <ol class="rows log">
        {events?.slice(0, 50).map((event) => (
          <li key={event.seq}>
            <time dateTime={event.time}>{moment(event.time)}</time>
            <code class="grow">{event.type.replace(/^io\.kaiser\.|\.v\d+$/g, "")}</code>
            <span class="quiet">{String(event.data["by"] ?? "")}</span>
          </li>
        ))}
      </ol>
    </Section>
  );
}
