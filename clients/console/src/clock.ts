/** What time it is, once a second: ages on a page grow while nothing else happens. */

import { signal } from "@preact/signals";

export const now = signal(Date.now());

setInterval(() => {
  now.value = Date.now();
}, 1_000);
