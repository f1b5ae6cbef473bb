/** One actuator: what it is and ought to be, telling it what to do, and what became of each command, step by step. */

import type { JSX } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import type { LiveEvent } from "kaiser-client";
import { ask, http } from "../api/http";
import type { Actuator, Command } from "../api/types";
import { moment, share, t } from "../i18n";
import type { Key } from "../i18n/en";
import { complete, listen } from "../live/feed";
import { actuatorKey, actuators } from "../live/state";
import { to } from "../router";
import { actuatorName, nameOf } from "../ui/names";
import { Age, Badge, Empty, Fact, Section, type Tone } from "../ui/parts";
import { ProblemBox } from "../ui/problem";
import { may } from "../ui/rights";
import { Switched } from "../ui/switched";
import { useWork } from "../ui/work";

type Wish = { command: "ON" | "OFF" | "PWM"; value?: number; duration?: number };

export function ActuatorPage({ esp, gpio }: { esp: string; gpio: number }): JSX.Element {
  const actuator = actuators.value.get(actuatorKey(esp, gpio));
  if (actuator === undefined) {
    const words = t("device.notThere", { device: actuatorKey(esp, gpio) });
    return <Empty>{complete.value ? words : t("common.loading")}</Empty>;
  }
  return (
    <>
      <h1>
        {actuatorName(actuator)} <Switched actuator={actuator} />
      </h1>
      <Standing actuator={actuator} />
      {may("operator") && <Tell actuator={actuator} />}
      <Commands actuator={actuator} />
    </>
  );
}

function Standing({ actuator }: { actuator: Actuator }): JSX.Element {
  const { reported, desired } = actuator;
  return (
    <Section title={t("actuator.one")}>
      <dl class="facts">
        <Fact name={t("device.id")}>
          <a href={to("devices", actuator.esp_id)}>{nameOf(actuator.esp_id)}</a> · {actuator.actuator_type} ·{" "}
          {actuator.gpio}
        </Fact>
        <Fact name={t("actuator.reported")}>
          {reported === null || reported.level === null ? t("common.unknown") : share(reported.level)}{" "}
          <Age since={reported?.at ?? null} />
        </Fact>
        <Fact name={t("actuator.desired")}>
          {desired === null ? t("common.none") : `${share(desired.level)} · ${t("actuator.by", { who: desired.by })}`}
          {desired?.off_at ? ` · ${t("actuator.offAt", { time: moment(desired.off_at) })}` : ""}
        </Fact>
      </dl>
    </Section>
  );
}

/** What nobody may send twice by mistake: the buttons wait for how the last one ended. */
function Tell({ actuator }: { actuator: Actuator }): JSX.Element {
  const work = useWork();
  const [minutes, setMinutes] = useState("");
  const [level, setLevel] = useState(Math.round((actuator.reported?.level ?? 0) * 100));
  const send = (wish: Wish): void =>
    work.run(async () => {
      const duration = minutes === "" || wish.command === "OFF" ? {} : { duration: Number(minutes) * 60 };
      const params = { path: { esp_id: actuator.esp_id, gpio: actuator.gpio }, query: { wait: 10 } };
      await ask(http.POST("/api/v1/actuators/{esp_id}/{gpio}/command", { params, body: { ...wish, ...duration } }));
    });
  return (
    <Section title={t("actuator.switch")}>
      <div class="tell">
        <label>
          {t("actuator.for")}
          <span class="unit">
            <input
              type="number"
              min="1"
              max="1440"
              inputMode="numeric"
              value={minutes}
              placeholder="–"
              onInput={(event) => setMinutes(event.currentTarget.value)}
            />
            {minutes === "" ? t("actuator.noLimit") : t("actuator.minutes")}
          </span>
        </label>
        {actuator.actuator_type === "pwm" ? (
          <label>
            {t("actuator.level")}: {level} %
            <input
              type="range"
              min="0"
              max="100"
              value={level}
              onInput={(event) => setLevel(Number(event.currentTarget.value))}
            />
            <button class="primary" disabled={work.busy} onClick={() => send({ command: "PWM", value: level / 100 })}>
              {t("actuator.set")}
            </button>
          </label>
        ) : (
          <button class="primary" disabled={work.busy} onClick={() => send({ command: "ON" })}>
            {t("actuator.turnOn")}
          </button>
        )}
        <button onClick={() => send({ command: "OFF" })}>{t("actuator.turnOff")}</button>
      </div>
      <ProblemBox error={work.error} />
    </Section>
  );
}

const TONES: Readonly<Record<string, Tone>> = {
  succeeded: "good",
  failed: "bad",
  rejected: "bad",
  expired: "bad",
  superseded: "quiet",
  cancelled: "quiet",
};

const stepName = (state: string): string => t(`command.${state}` as Key);

/** After these the list of commands may, and surely has, heard of an event. */
const SOON_MS = 250;
const SURELY_MS = 1_500;

/** A list that was asked for, but no command of it older than what events have told. */
function newer(asked: readonly Command[], before: readonly Command[]): readonly Command[] {
  const steps = (command: Command): number => Object.keys(command.steps).length;
  return asked.map((command) => {
    const known = before.find((one) => one.command_id === command.command_id);
    return known && steps(known) > steps(command) ? known : command;
  });
}

/** Commands, with the one that an event tells of a step further. */
function told(commands: readonly Command[], { data, time }: LiveEvent): readonly Command[] {
  const state = String(data["state"]) as Command["state"];
  return commands.map((command) =>
    command.command_id === data["command_id"]
      ? { ...command, state, steps: { ...command.steps, [state]: new Date(time / 1000).toISOString() } }
      : command,
  );
}

function Commands({ actuator }: { actuator: Actuator }): JSX.Element {
  const [commands, setCommands] = useState<readonly Command[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const { esp_id, gpio } = actuator;
  const load = useCallback(() => {
    ask(http.GET("/api/v1/commands", { params: { query: { esp_id, gpio, limit: 20 } } })).then((page) => {
      setCommands((before) => newer(page.items as Command[], before ?? []));
      setError(null);
    }, setError);
  }, [esp_id, gpio]);
  useEffect(() => {
    load();
    return listen((events) => {
      const own = events.filter(({ type, data }) => type === "command" && data.esp_id === esp_id && data["gpio"] === gpio);
      if (own.length === 0) return;
      setCommands((before) => own.reduce(told, before ?? []));
      for (const ms of [SOON_MS, SURELY_MS]) setTimeout(load, ms); // for what the events do not say
    });
  }, [load]);
  return (
    <Section title={t("actuator.commands")}>
      <ProblemBox error={error} />
      {commands?.length === 0 && <Empty>{t("common.none")}</Empty>}
      <ul class="rows">
        {commands?.map((command) => (
          <li key={command.command_id} class="command">
            <Badge tone={TONES[command.state] ?? "warn"}>{stepName(command.state)}</Badge>
            <span class="grow">
              <strong>
                {command.asked}
                {command.action === "PWM" ? ` ${share(command.level)}` : ""}
              </strong>{" "}
              {t("actuator.by", { who: command.by || command.source })} {command.reason && `· ${command.reason}`}
              <Steps command={command} />
              {command.detail && <span class="bad-text">{command.detail}</span>}
              {command.code && <code> {command.code}</code>}
            </span>
            <time dateTime={command.requested_at} class="quiet">
              {moment(command.requested_at)}
            </time>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Steps({ command }: { command: Command }): JSX.Element {
  const begun = Date.parse(command.requested_at);
  const steps = Object.entries(command.steps as Record<string, string>);
  steps.sort(([, a], [, b]) => Date.parse(a) - Date.parse(b));
  return (
    <ol class="steps">
      {steps.map(([state, at]) => (
        <li key={state}>
          {stepName(state)} <small>{state === "requested" ? moment(at) : `+${Date.parse(at) - begun} ms`}</small>
        </li>
      ))}
    </ol>
  );
}
