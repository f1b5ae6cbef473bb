/** Who is logged in, and the tokens that prove it. A refresh token is good once, so all tabs take turns. */

import { signal } from "@preact/signals";
import { NotAllowedError } from "kaiser-client";
import type { User } from "./types";

const KEY = "kaiser.session";
const LOCK = "kaiser.session";
/** A token is renewed when less than this is left of it. */
const MARGIN_MS = 30_000;

interface Session {
  readonly access: string;
  readonly refresh: string;
  /** Unix milliseconds by this browser's clock. */
  readonly expires: number;
}

interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly expires_in: number;
}

/** Who is logged in; null for nobody, undefined until that is known. */
export const user = signal<User | null | undefined>(undefined);

/** What the gateway says where it says no. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly rest: Readonly<Record<string, unknown>> = {},
  ) {
    super(detail || code);
  }
}

/** The problem that an answer tells, of whatever is in its body. */
export function problemOf(status: number, body: unknown): Problem {
  const said = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  return new Problem(status, String(said["code"] ?? `HTTP_${status}`), String(said["detail"] ?? ""), said);
}

function stored(): Session | null {
  const text = localStorage.getItem(KEY);
  return text === null ? null : (JSON.parse(text) as Session);
}

function keep(tokens: Tokens): Session {
  const session = {
    access: tokens.access_token,
    refresh: tokens.refresh_token,
    expires: Date.now() + tokens.expires_in * 1000,
  };
  localStorage.setItem(KEY, JSON.stringify(session));
  return session;
}

function forget(): void {
  localStorage.removeItem(KEY);
  user.value = null;
}

async function post(path: string, body: unknown): Promise<unknown> {
  const answer = await fetch(`/api/v1/auth/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const said: unknown = await answer.json().catch(() => null);
  if (!answer.ok) throw problemOf(answer.status, said);
  return said;
}

/**
 * An access token that is good for a while yet.
 *
 * @throws NotAllowedError Nobody is logged in, or not any more.
 * @throws Error The gateway cannot be reached.
 */
export async function token(): Promise<string> {
  const session = stored();
  if (session !== null && session.expires - Date.now() > MARGIN_MS) return session.access;
  return navigator.locks.request(LOCK, async () => {
    const current = stored(); // another tab may have been here
    if (current === null) throw new NotAllowedError("nobody is logged in");
    if (current.expires - Date.now() > MARGIN_MS) return current.access;
    try {
      const said = (await post("refresh", { refresh_token: current.refresh })) as { tokens: Tokens };
      return keep(said.tokens).access;
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 401) throw error;
      forget();
      throw new NotAllowedError(error.message);
    }
  });
}

/**
 * Log in.
 *
 * @throws Problem The gateway says no: `NOT_AUTHENTICATED`, or `TOO_MANY_REQUESTS` for who has to wait.
 */
export async function logIn(username: string, password: string): Promise<void> {
  const known = localStorage.getItem("kaiser.device") ?? undefined;
  const said = (await post("login", { username, password, ...(known && { device_token: known }) })) as {
    tokens: Tokens;
    user: User;
    device_token: string;
  };
  keep(said.tokens);
  if (said.device_token) localStorage.setItem("kaiser.device", said.device_token);
  user.value = said.user;
}

/** Log out everywhere that this session is; the gateway's word is not waited for. */
export async function logOut(): Promise<void> {
  const session = stored();
  forget();
  if (session === null) return;
  await fetch("/api/v1/auth/logout", {
    method: "POST",
    headers: { Authorization: `Bearer ${session.access}` },
  }).catch(() => undefined);
}

/** Find out who is logged in. */
export async function resume(): Promise<void> {
  try {
    const answer = await fetch("/api/v1/auth/me", { headers: { Authorization: `Bearer ${await token()}` } });
    if (answer.status === 401) return forget();
    if (!answer.ok) throw problemOf(answer.status, await answer.json().catch(() => null));
    user.value = (await answer.json()) as User;
  } catch (error) {
    if (error instanceof NotAllowedError) return forget();
    throw error;
  }
}

window.addEventListener("storage", (event) => {
  if (event.key === KEY && event.newValue === null) user.value = null;
});
