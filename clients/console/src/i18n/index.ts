/** What is said, in the language of whoever reads; times and numbers as they write them. */

import { computed, effect, signal } from "@preact/signals";
import { de } from "./de";
import { en, type Key } from "./en";

export type Language = "en" | "de";

const KEY = "kaiser.language";
const TEXTS: Readonly<Record<Language, Readonly<Record<Key, string>>>> = { en, de };

const kept = localStorage.getItem(KEY);
export const language = signal<Language>(
  kept === "en" || kept === "de" ? kept : navigator.language.startsWith("de") ? "de" : "en",
);

effect(() => {
  document.documentElement.lang = language.value;
});

export function speak(chosen: Language): void {
  localStorage.setItem(KEY, chosen);
  language.value = chosen;
}

/** A text, with what is to be filled in. */
export function t(key: Key, values: Readonly<Record<string, string | number>> = {}): string {
  return TEXTS[language.value][key].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

const formats = computed(() => ({
  time: new Intl.DateTimeFormat(language.value, { timeStyle: "medium" }),
  moment: new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeStyle: "medium" }),
  ago: new Intl.RelativeTimeFormat(language.value, { numeric: "auto", style: "narrow" }),
  number: new Intl.NumberFormat(language.value, { maximumSignificantDigits: 4 }),
  share: new Intl.NumberFormat(language.value, { style: "percent", maximumFractionDigits: 0 }),
}));

/** A moment by the clock; with its day unless that is today. */
export function moment(when: string | number): string {
  const date = new Date(when);
  const today = date.toDateString() === new Date().toDateString();
  return (today ? formats.value.time : formats.value.moment).format(date);
}

/** How long ago something was, in seconds before now. */
export function ago(seconds: number): string {
  const units = [
    ["day", 86_400],
    ["hour", 3_600],
    ["minute", 60],
  ] as const;
  for (const [unit, length] of units) {
    if (seconds >= length) return formats.value.ago.format(-Math.floor(seconds / length), unit);
  }
  return formats.value.ago.format(-Math.max(0, Math.floor(seconds)), "second");
}

export const number = (value: number): string => formats.value.number.format(value);
export const share = (value: number): string => formats.value.share.format(value);
