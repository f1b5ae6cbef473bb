/** What is around every page: where one is, whether what is shown is fresh, and the emergency stop. */

import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { logOut, user } from "./api/session";
import { moment, t } from "./i18n";
import type { Key } from "./i18n/en";
import { run, standing } from "./live/feed";
import { stops } from "./live/state";
import { ActuatorPage } from "./pages/actuator";
import { Actuators } from "./pages/actuators";
import { DevicePage } from "./pages/device";
import { Devices } from "./pages/devices";
import { Login } from "./pages/login";
import { Overview } from "./pages/overview";
import { Rules } from "./pages/rules";
import { SensorPage } from "./pages/sensor";
import { Sensors } from "./pages/sensors";
import { StopButton, Stops } from "./pages/stops";
import { path, to } from "./router";
import { LanguageChoice } from "./ui/language";
import { Badge } from "./ui/parts";
import { may } from "./ui/rights";

const PAGES: readonly (readonly [string, Key])[] = [
  ["", "nav.overview"],
  ["devices", "nav.devices"],
  ["sensors", "nav.sensors"],
  ["actuators", "nav.actuators"],
  ["rules", "nav.rules"],
  ["stops", "nav.stops"],
];

export function App(): JSX.Element {
  if (user.value === undefined) return <p class="empty">{t("link.connecting")}</p>;
  return user.value === null ? <Login /> : <Console key={user.value.user_id} />;
}

function Console(): JSX.Element {
  useEffect(() => {
    const over = new AbortController();
    void run(over.signal);
    return () => over.abort();
  }, []);
  return (
    <>
      <a class="skip" href="#content" onClick={(event) => (event.preventDefault(), document.getElementById("content")?.focus())}>
        {t("app.skip")}
      </a>
      <header class="top">
        <a class="brand" href={to()}>
          <img src="./icon.svg" alt="" width="28" height="28" /> {t("app.name")}
        </a>
        <Navigation />
        <Link />
        {may("operator") && <StopButton />}
        <LanguageChoice />
        <button class="plain" onClick={() => void logOut()} title={user.value?.username ?? ""}>
          {t("nav.logOut")}
        </button>
      </header>
      {standing.value.state === "lost" && (
        <p class="lost" role="status">
          {t("link.lost", { time: moment(standing.value.since) })}
        </p>
      )}
      <main id="content" tabIndex={-1} class={standing.value.state === "lost" ? "old" : ""}>
        <Page />
      </main>
    </>
  );
}

function Navigation(): JSX.Element {
  return (
    <nav aria-label={t("nav.label")}>
      {PAGES.map(([page, key]) => (
        <a key={page} href={to(page)} aria-current={path.value[0] === page ? "page" : undefined}>
          {t(key)}
          {page === "stops" && stops.value.size > 0 && <Badge tone="bad">{stops.value.size}</Badge>}
        </a>
      ))}
    </nav>
  );
}

function Link(): JSX.Element {
  const { state } = standing.value;
  const key: Key = state === "live" ? "link.live" : "link.connecting";
  return <Badge tone={state === "live" ? "good" : "warn"}>{t(key)}</Badge>;
}

function Page(): JSX.Element {
  const [page = "", first, second] = path.value;
  if (page === "devices") return first ? <DevicePage key={first} esp={first} /> : <Devices />;
  if (page === "sensors") return first ? <SensorPage key={first} id={first} /> : <Sensors />;
  if (page === "actuators") {
    return first && second ? <ActuatorPage key={`${first}/${second}`} esp={first} gpio={Number(second)} /> : <Actuators />;
  }
  if (page === "rules") return <Rules />;
  if (page === "stops") return <Stops />;
  return <Overview />;
}
