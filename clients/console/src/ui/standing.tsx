/** How a device stands: whether it is there, and whether it counts. */

import type { JSX } from "preact";
import type { Device } from "../api/types";
import { t } from "../i18n";
import type { Key } from "../i18n/en";
import { Badge, type Tone } from "./parts";

const TONES: Readonly<Record<string, Tone>> = { approved: "good", pending: "warn", rejected: "bad", retired: "quiet" };
const WORDS: Readonly<Record<string, Key>> = {
  approved: "device.alike.approved",
  pending: "device.alike.pending",
  rejected: "device.alike.rejected",
  retired: "device.alike.retired",
};

export function Presence({ device }: { device: Device }): JSX.Element {
  return <Badge tone={device.online ? "good" : "bad"}>{t(device.online ? "common.online" : "common.offline")}</Badge>;
}

export function State({ device }: { device: Device }): JSX.Element {
  const words = WORDS[device.state];
  return <Badge tone={TONES[device.state] ?? "quiet"}>{words ? t(words) : device.state}</Badge>;
}
