/** One subscription that outlives its connections. */

import { Closed, Connection } from "./connection.js";
import { Close, type Delivery, type Filters, type LiveEvent, type Missed, type SnapshotPart } from "./messages.js";

/** Returns an access token; asked again before each connection, and before the token expires. */
export type Credentials = () => Promise<string>;

export interface Options {
  readonly filters?: Filters;
  readonly delivery?: Delivery;
  /** Where to go on; from now on without one. */
  readonly cursor?: string;
  /** Whether to begin with how things stand. */
  readonly snapshot?: boolean;
  /** Told whenever the subscription begins to stand, and when its connection is gone. */
  readonly onConnection?: (stands: boolean) => void;
}

/** Something new, all or nothing. */
export interface Update {
  /** Events, in the order of each stream. */
  readonly events: readonly LiveEvent[];
  /** What will not come, and why. */
  readonly missed: readonly Missed[];
  /** How things stand, as they were asked for. */
  readonly snapshot?: SnapshotPart;
  /** Whether that is all of the snapshot. */
  readonly complete?: boolean;
}

/** The gateway does not take the credentials, or not any more. */
export class NotAllowedError extends Error {}

/** The gateway refuses the filters or the cursor. */
export class WishError extends Error {}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const SILENT_HEARTBEATS = 3;
const RENEW_AT = 0.8;
const ASK_AGAIN_MS = 15_000;

export class LiveStream {
  /** Where to go on with what `updates` has handed out so far; empty before the first connection. */
  cursor: string;
  /** How often it was connected. */
  connections = 0;

  readonly #url: string;
  readonly #credentials: Credentials;
  readonly #options: Options;
  #snapshot: boolean;
  #current: Connection | undefined;
  #renewal: ReturnType<typeof setTimeout> | undefined;

  /** `url` is where the gateway is, such as `https://kaiser.example`. */
  constructor(url: string, credentials: Credentials, options: Options = {}) {
    this.#url = `${url.replace(/^http/, "ws").replace(/\/+$/, "")}/ws`;
    this.#credentials = credentials;
    this.#options = options;
    this.#snapshot = options.snapshot ?? false;
    this.cursor = options.cursor ?? "";
  }

  /**
   * Everything as it comes, for ever or until aborted; reconnects by itself. Iterate over one of these at a time.
   *
   * @throws NotAllowedError The gateway does not take the credentials, even fresh ones.
   * @throws WishError It refuses the filters or the cursor.
   */
  async *updates(signal?: AbortSignal): AsyncGenerator<Update, void, void> {
    const aborted = (): void => this.#current?.close();
    signal?.addEventListener("abort", aborted);
    let pause = FIRST_PAUSE_MS;
    let refused = false;
    try {
      while (!isAborted(signal)) {
        const before = this.connections;
        try {
          for await (const update of this.#connected(signal)) {
            yield update;
            if (isAborted(signal)) return;
          }
        } catch (error) {
          if (error instanceof NotAllowedError || error instanceof WishError) throw error;
          if (error instanceof Closed && (error.code === Close.NOT_AUTHENTICATED || error.code === Close.REVOKED)) {
            if (refused) throw new NotAllowedError(error.reason);
            refused = true;
          } // whatever else it was: it is away, and will be back
        }
        if (this.connections > before) [pause, refused] = [FIRST_PAUSE_MS, false];
        if (isAborted(signal)) return;
        await sleep(pause * (0.5 + Math.random() / 2));
        pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
      }
    } finally {
      signal?.removeEventListener("abort", aborted);
    }
  }

  async *#connected(signal: AbortSignal | undefined): AsyncGenerator<Update, void, void> {
    const token = await this.#credentials();
    if (isAborted(signal)) return; // meanwhile, when there was no connection yet that could be closed
    const connection = (this.#current = new Connection(this.#url));
    try {
      await connection.opened();
      connection.say({ action: "authenticate", token });
      let missed: Missed[] = [];
      let subscribed = false;
      for (;;) {
        const message = await connection.next();
        switch (message.type) {
          case "authenticated":
            this.#renewInTime(connection, message.expires_at);
            if (!subscribed) this.#subscribe(connection);
            subscribed = true;
            break;
          case "subscribed":
            this.connections += 1;
            this.#options.onConnection?.(true);
            if (!this.#snapshot) this.cursor = message.cursor;
            break;
          case "frame": {
            // Moved before the events are handed out, for they are the receiver's from then on
            this.cursor = message.cursor;
            const update: Update = { events: message.events, missed };
            missed = [];
            if (update.events.length > 0 || update.missed.length > 0) yield update;
            break;
          }
          case "missed":
            missed.push(message); // a frame follows, whose cursor is behind it
            break;
          case "heartbeat":
            connection.silenceMs = message.every_s * 1000 * SILENT_HEARTBEATS;
            this.cursor = message.cursor;
            break;
          case "snapshot":
            yield { events: [], missed: [], snapshot: message };
            break;
          case "snapshot_end":
            this.#snapshot = false;
            this.cursor = message.cursor;
            yield { events: [], missed: [], complete: true };
            break;
          case "error":
            if (message.code !== "AUTHENTICATION_FAILED") throw new WishError(`${message.code}: ${message.detail}`);
            break; // a token that was to follow another one; the socket ends when that one does
          case "goodbye":
          case "pong":
          case "unsubscribed":
            break;
        }
      }
    } finally {
      clearTimeout(this.#renewal);
      this.#current = undefined;
      connection.close();
      this.#options.onConnection?.(false);
    }
  }

  #subscribe(connection: Connection): void {
    connection.say({
      action: "subscribe",
      filters: this.#options.filters ?? {},
      delivery: this.#options.delivery ?? "frames",
      cursor: this.cursor,
      snapshot: this.#snapshot,
    });
  }

  #renewInTime(connection: Connection, expiresAt: number): void {
    clearTimeout(this.#renewal);
    const leftMs = Math.max(1000, (expiresAt * 1000 - Date.now()) * RENEW_AT);
    const renew = async (): Promise<void> => {
      this.#renewal = setTimeout(() => void renew(), ASK_AGAIN_MS); // unless it is answered
      try {
        connection.say({ action: "authenticate", token: await this.#credentials() });
      } catch {
        // There is none just now. The socket ends with the token that it has, and comes back with another one.
      }
    };
    this.#renewal = setTimeout(() => void renew(), Math.min(leftMs, 2 ** 31 - 1));
  }
}

/** Credentials: logs in with a user name and a password each time that a token is needed. */
export function login(url: string, username: string, password: string): Credentials {
  return async () => {
    const answer = await fetch(`${url.replace(/\/+$/, "")}/api/v1/auth/login`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ username, password }),
    });
    if (answer.status === 401 || answer.status === 403) {
      throw new NotAllowedError("the gateway does not take the user name and the password");
    }
    if (!answer.ok) throw new Error(`the gateway answered the login with ${answer.status}`);
    const body = (await answer.json()) as { tokens: { access_token: string } };
    return body.tokens.access_token;
  };
}

/** A function, because the compiler takes a property for what it was. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
