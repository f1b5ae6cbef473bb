/** What an actuator is, by its device; what it ought to be, where that is something else. */

import type { JSX } from "preact";
import type { Actuator } from "../api/types";
import { moment, share, t } from "../i18n";
import { isOn } from "./names";
import { Badge } from "./parts";

export function Switched({ actuator }: { actuator: Actuator }): JSX.Element {
  const on = isOn(actuator);
  const level = actuator.reported?.level ?? 0;
  return (
    <span class="switched">
      {actuator.reported?.emergency !== undefined && actuator.reported.emergency !== "normal" && (
        <Badge tone="bad">{t("actuator.emergency")}</Badge>
      )}
      {!actuator.online && <Badge tone="bad">{t("actuator.deviceOffline")}</Badge>}
      {actuator.open_commands.length > 0 && <Badge tone="warn">{t("actuator.underWay")}</Badge>}
      {actuator.drift_since !== null && (
        <Badge tone="warn">{t("actuator.drift", { time: moment(actuator.drift_since) })}</Badge>
      )}
      {on === null ? (
        <Badge tone="quiet">{t("common.unknown")}</Badge>
      ) : (
        <Badge tone={on ? "on" : "quiet"}>{on ? (level < 1 ? share(level) : t("common.on")) : t("common.off")}</Badge>
      )}
    </span>
  );
}
