/** Something that is done on a click, and what became of it. */

import { useState } from "preact/hooks";

export interface Work {
  readonly busy: boolean;
  readonly error: unknown;
  readonly run: (what: () => Promise<void>) => void;
}

export function useWork(): Work {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const run = (what: () => Promise<void>): void => {
    setBusy(true);
    setError(null);
    what()
      .catch(setError)
      .finally(() => setBusy(false));
  };
  return { busy, error, run };
}
