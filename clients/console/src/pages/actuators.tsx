import type { JSX } from "preact";
import { t } from "../i18n";
import { complete } from "../live/feed";
import { actuators } from "../live/state";
import { to } from "../router";
import { actuatorName, nameOf } from "../ui/names";
import { Age, Empty, Section } from "../ui/parts";
import { Switched } from "../ui/switched";

export function Actuators(): JSX.Element {
  const found = [...actuators.value.values()].sort((a, b) => actuatorName(a).localeCompare(actuatorName(b)));
  return (
    <>
      <h1>{t("actuator.title")}</h1>
      <Section title={`${t("actuator.title")} (${found.length})`}>
        {found.length === 0 && <Empty>{complete.value ? t("common.none") : t("common.loading")}</Empty>}
        <ul class="rows">
          {found.map((actuator) => (
            <li key={`${actuator.esp_id}/${actuator.gpio}`}>
              <a class="grow" href={to("actuators", actuator.esp_id, actuator.gpio)}>
                {actuatorName(actuator)}
              </a>
              <span class="quiet">
                {nameOf(actuator.esp_id)} · {actuator.zone_id || t("common.noZone")}
              </span>
              <Switched actuator={actuator} />
              <Age since={actuator.reported?.at ?? null} />
            </li>
          ))}
        </ul>
      </Section>
    </>
  );
}
