/** Emergency stops: giving one in two steps from any page, seeing who has obeyed, and releasing it. */

import type { JSX, TargetedSubmitEvent } from "preact";
import { useState } from "preact/hooks";
import { ask, http } from "../api/http";
import { user } from "../api/session";
import type { Scope, Stop } from "../api/types";
import { moment, t } from "../i18n";
import { complete } from "../live/feed";
import { actuators, devices, put, stops } from "../live/state";
import { Dialog } from "../ui/dialog";
import { actuatorName, nameOf } from "../ui/names";
import { Badge, Empty, Section } from "../ui/parts";
import { ProblemBox } from "../ui/problem";
import { useWork } from "../ui/work";

function scopeName(scope: Scope): string {
  if (scope.kind === "zone") return t("stop.zone", { zone: scope.zone_id ?? "" });
  if (scope.kind === "device") return t("stop.device", { device: nameOf(scope.esp_id ?? "") });
  if (scope.kind === "actuator") {
    const actuator = actuators.value.get(`${scope.esp_id}/${scope.gpio}`);
    return t("stop.actuator", { actuator: actuator ? actuatorName(actuator) : `${scope.esp_id}/${scope.gpio}` });
  }
  return t("stop.site");
}

/** One stop on one line. */
export function StopLine({ stop }: { stop: Stop }): JSX.Element {
  return (
    <>
      <Badge tone="bad">{t("stop.inForce")}</Badge>
      <span class="grow">
        <strong>{scopeName(stop.scope)}</strong> {stop.reason}{" "}
        <span class="quiet">{t("stop.given", { who: stop.by, time: moment(stop.at) })}</span>
        <br />
        {t("stop.confirmed", { confirmed: stop.confirmed, all: stop.actuators })}
        {stop.unconfirmed.length > 0 && (
          <span class="bad-text"> · {t("stop.waitsFor", { who: stop.unconfirmed.join(", ") })}</span>
        )}
      </span>
    </>
  );
}

/** The button that is on every page, and its question. */
export function StopButton(): JSX.Element {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button class="stop" onClick={() => setOpen(true)}>
        <span aria-hidden="true">■</span> {t("stop.button")}
      </button>
      {open && <StopDialog onClose={() => setOpen(false)} />}
    </>
  );
}

function StopDialog({ onClose }: { onClose: () => void }): JSX.Element {
  const work = useWork();
  const zones = [...new Set([...devices.value.values()].map((device) => device.zone_id).filter(Boolean))].sort();
  const confined = user.value?.zones ?? [];
  const [chosen, setChosen] = useState(confined.length > 0 ? `zone:${confined[0] ?? ""}` : "site");
  const [reason, setReason] = useState("");
  const submit = (event: TargetedSubmitEvent<HTMLFormElement>): void => {
    event.preventDefault();
    work.run(async () => {
      const body = { scope: scopeOf(chosen), reason: reason || t("stop.defaultReason") };
      await ask(http.POST("/api/v1/emergency-stops", { body }));
      onClose();
    });
  };
  return (
    <Dialog title={t("stop.title")} tone="danger" onClose={onClose}>
      <form onSubmit={submit}>
        <p>{t("stop.text")}</p>
        <label>
          {t("stop.what")}
          <select value={chosen} onChange={(event) => setChosen(event.currentTarget.value)}>
            {confined.length === 0 && <option value="site">{t("stop.site")}</option>}
            {zones.map((zone) => (
              <option key={zone} value={`zone:${zone}`}>
                {t("stop.zone", { zone })}
              </option>
            ))}
            {[...devices.value.keys()].sort().map((esp) => (
              <option key={esp} value={`device:${esp}`}>
                {t("stop.device", { device: nameOf(esp) })}
              </option>
            ))}
          </select>
        </label>
        <label>
          {t("common.reason")}
          <input value={reason} placeholder={t("stop.defaultReason")} onInput={(event) => setReason(event.currentTarget.value)} />
        </label>
        {work.error !== null && <p class="bad-text">{t("stop.lost")}</p>}
        <ProblemBox error={work.error} />
        <div class="buttons">
          <button type="button" onClick={onClose}>
            {t("common.cancel")}
          </button>
          <button class="danger" disabled={work.busy} autofocus>
            {t("stop.confirm")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function scopeOf(chosen: string): Scope {
  const [kind, id = ""] = chosen.split(/:(.*)/s);
  if (kind === "zone") return { kind: "zone", zone_id: id };
  if (kind === "device") return { kind: "device", esp_id: id };
  return { kind: "site" };
}

export function Stops(): JSX.Element {
  const [releasing, setReleasing] = useState<Stop | null>(null);
  return (
    <>
      <h1>{t("stop.all")}</h1>
      <Section title={t("stop.inForce")}>
        {!complete.value && <Empty>{t("common.loading")}</Empty>}
        {complete.value && stops.value.size === 0 && <Empty>{t("stop.none")}</Empty>}
        <ul class="rows">
          {[...stops.value.values()].map((stop) => (
            <li key={stop.emergency_id}>
              <StopLine stop={stop} />
              <button onClick={() => setReleasing(stop)}>{t("stop.release")}</button>
            </li>
          ))}
        </ul>
      </Section>
      {releasing !== null && <ReleaseDialog stop={releasing} onClose={() => setReleasing(null)} />}
    </>
  );
}

function ReleaseDialog({ stop, onClose }: { stop: Stop; onClose: () => void }): JSX.Element {
  const work = useWork();
  const [reason, setReason] = useState("");
  const submit = (event: TargetedSubmitEvent<HTMLFormElement>): void => {
    event.preventDefault();
    work.run(async () => {
      const path = { emergency_id: stop.emergency_id };
      await ask(http.POST("/api/v1/emergency-stops/{emergency_id}/release", { params: { path }, body: { reason } }));
      put(stops, stop.emergency_id, null);
      onClose();
    });
  };
  return (
    <Dialog title={t("stop.releaseTitle")} onClose={onClose}>
      <form onSubmit={submit}>
        <p>{scopeName(stop.scope)}</p>
        <p>{t("stop.releaseText")}</p>
        <label>
          {t("common.reason")}
          <input value={reason} required onInput={(event) => setReason(event.currentTarget.value)} />
        </label>
        <ProblemBox error={work.error} />
        <div class="buttons">
          <button type="button" onClick={onClose}>
            {t("common.cancel")}
          </button>
          <button class="primary" disabled={work.busy}>
            {t("stop.release")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
