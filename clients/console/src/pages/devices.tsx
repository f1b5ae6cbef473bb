import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { complete } from "../live/feed";
import { devices } from "../live/state";
import { to } from "../router";
import { deviceName } from "../ui/names";
import { Age, Empty, Section } from "../ui/parts";
import { Search } from "../ui/search";
import { Presence, State } from "../ui/standing";

export function Devices(): JSX.Element {
  const [wanted, setWanted] = useState("");
  const words = wanted.toLowerCase();
  const found = [...devices.value.values()]
    .filter((device) => `${device.esp_id} ${device.name} ${device.zone_id}`.toLowerCase().includes(words))
    .sort((a, b) => deviceName(a).localeCompare(deviceName(b)));
  return (
    <>
      <h1>{t("device.title")}</h1>
      <Section
        title={`${t("device.title")} (${found.length})`}
        aside={<Search value={wanted} onInput={setWanted} />}
      >
        {found.length === 0 ? (
          <Empty>{complete.value ? t("common.none") : t("common.loading")}</Empty>
        ) : (
          <div class="scroll">
            <table>
              <thead>
                <tr>
                  <th scope="col">{t("device.id")}</th>
                  <th scope="col">{t("device.zone")}</th>
                  <th scope="col">{t("device.state")}</th>
                  <th scope="col">{t("device.presence")}</th>
                  <th scope="col">{t("device.lastSeen")}</th>
                </tr>
              </thead>
              <tbody>
                {found.map((device) => (
                  <tr key={device.esp_id}>
                    <th scope="row">
                      <a href={to("devices", device.esp_id)}>{deviceName(device)}</a>
                    </th>
                    <td>{device.zone_id || "–"}</td>
                    <td>
                      <State device={device} />
                    </td>
                    <td>
                      <Presence device={device} />
                    </td>
                    <td>
                      <Age since={device.last_seen_at} warn={180} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Section>
    </>
  );
}
