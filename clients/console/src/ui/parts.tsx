/** Small parts that pages are made of. */

import type { ComponentChildren, JSX } from "preact";
import { now } from "../clock";
import { ago, moment, t } from "../i18n";

export type Tone = "good" | "bad" | "warn" | "quiet" | "on";

/** A word with a colour; the word alone says it as well. */
export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }): JSX.Element {
  return <span class={`badge ${tone}`}>{children}</span>;
}

/** How long ago something was. Given a length, in seconds, it warns when that is exceeded. */
export function Age({ since, warn }: { since: string | null; warn?: number }): JSX.Element {
  if (since === null) return <span class="quiet">{t("common.never")}</span>;
  const seconds = (now.value - Date.parse(since)) / 1000;
  return (
    <time dateTime={since} title={moment(since)} class={warn !== undefined && seconds > warn ? "late" : "quiet"}>
      {ago(seconds)}
    </time>
  );
}

/** A part of a page with its heading. */
export function Section(props: { title: string; aside?: ComponentChildren; children: ComponentChildren }): JSX.Element {
  return (
    <section class="card">
      <header>
        <h2>{props.title}</h2>
        {props.aside}
      </header>
      {props.children}
    </section>
  );
}

/** What a table has where it has nothing. */
export function Empty({ children }: { children: ComponentChildren }): JSX.Element {
  return <p class="empty">{children}</p>;
}

/** A name and what it is. */
export function Fact({ name, children }: { name: string; children: ComponentChildren }): JSX.Element {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
