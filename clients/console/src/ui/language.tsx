import type { JSX } from "preact";
import { type Language, language, speak, t } from "../i18n";

export function LanguageChoice(): JSX.Element {
  return (
    <select
      class="language"
      aria-label={t("nav.language")}
      value={language.value}
      onChange={(event) => speak(event.currentTarget.value as Language)}
    >
      <option value="en">English</option>
      <option value="de">Deutsch</option>
    </select>
  );
}
