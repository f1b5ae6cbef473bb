import type { JSX } from "preact";
import { t } from "../i18n";

/** Where one types what a list is to be narrowed to. */
export function Search({ value, onInput }: { value: string; onInput: (value: string) => void }): JSX.Element {
  return (
    <input
      type="search"
      aria-label={t("common.search")}
      placeholder={t("common.search")}
      value={value}
      onInput={(event) => onInput(event.currentTarget.value)}
    />
  );
}
