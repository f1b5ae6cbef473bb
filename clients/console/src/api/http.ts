/** The REST API, typed by its OpenAPI document. */

import createClient, { type Middleware } from "openapi-fetch";
import type { paths } from "./schema";
import { Problem, problemOf, token } from "./session";

const authorised: Middleware = {
  async onRequest({ request }) {
    request.headers.set("Authorization", `Bearer ${await token()}`);
    // The same wish sent again after a lost answer is not done twice
    if (request.method !== "GET") request.headers.set("Idempotency-Key", crypto.randomUUID());
    return request;
  },
};

export const http = createClient<paths>({ baseUrl: "/" });
http.use(authorised);

interface Answer<Data> {
  readonly data?: Data;
  readonly error?: unknown;
  readonly response: Response;
}

/**
 * What was asked for.
 *
 * @throws Problem The gateway says no, and why.
 */
export async function ask<Data>(answer: Promise<Answer<Data>>): Promise<Data> {
  const { data, error, response } = await answer;
  if (!response.ok) throw problemOf(response.status, error);
  return data as Data;
}

interface Page<Item> {
  readonly items: readonly Item[];
  readonly next_cursor?: string | null;
}

/**
 * All items of a list, page by page.
 *
 * @throws Problem The gateway says no, and why.
 */
export async function all<Item>(page: (cursor: string | undefined) => Promise<Answer<Page<Item>>>): Promise<Item[]> {
  const items: Item[] = [];
  let cursor: string | undefined;
  do {
    const found = await ask(page(cursor));
    items.push(...found.items);
    cursor = found.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return items;
}

export { Problem };
