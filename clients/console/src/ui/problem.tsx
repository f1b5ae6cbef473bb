/** What the gateway said where it said no: the words, the code, and what safety saw. */

import type { JSX } from "preact";
import { Problem } from "../api/http";
import { t } from "../i18n";

export function ProblemBox({ error }: { error: unknown }): JSX.Element | null {
  if (error === null || error === undefined) return null;
  if (!(error instanceof Problem)) {
    return (
      <div role="alert" class="problem">
        {t("login.away")}
      </div>
    );
  }
  const saw = Object.entries((error.rest["saw"] ?? {}) as Record<string, unknown>);
  return (
    <div role="alert" class="problem">
      <strong>{t("problem.title")}</strong>
      <p>{error.detail}</p>
      {saw.length > 0 && (
        <p>
          {t("problem.saw")}: {saw.map(([name, value]) => `${name} ${JSON.stringify(value)}`).join(", ")}
        </p>
      )}
      <code>{error.code}</code>
    </div>
  );
}
