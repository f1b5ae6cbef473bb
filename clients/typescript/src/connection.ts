/** One WebSocket as a queue of messages, bounded: a page that does not keep up ends the connection, not the browser. */

import type { Heard } from "./messages.js";

/** Characters that may wait to be dealt with. */
const MOST_WAITING = 16 * 1024 * 1024;

/** Why a connection ended. */
export class Closed extends Error {
  constructor(
    readonly code: number,
    readonly reason: string,
  ) {
    super(`closed with ${code} ${reason}`);
  }
}

export class Connection {
  /** Milliseconds without a message after which the connection counts as dead. */
  silenceMs = 45_000;

  readonly #socket: WebSocket;
  readonly #waiting: string[] = [];
  #size = 0;
  #closed: Closed | undefined;
  #wake: (() => void) | undefined;
  #watch: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string) {
    this.#socket = new WebSocket(url);
    this.#socket.onopen = () => this.#changed();
    this.#socket.onmessage = (message: MessageEvent<string>) => this.#heard(message.data);
    this.#socket.onclose = (event) => this.#end(new Closed(event.code, event.reason));
    this.#socket.onerror = () => this.#end(new Closed(1006, "no connection"));
    this.#listen();
  }

  /** Returns once messages can be sent. */
  async opened(): Promise<void> {
    while (this.#socket.readyState === WebSocket.CONNECTING && this.#closed === undefined) await this.#change();
    if (this.#closed !== undefined) throw this.#closed;
  }

  say(message: Readonly<Record<string, unknown>>): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** The next message; what came before the end comes before the end is thrown. */
  async next(): Promise<Heard> {
    for (;;) {
      const text = this.#waiting.shift();
      if (text !== undefined) {
        this.#size -= text.length;
        return JSON.parse(text) as Heard;
      }
      if (this.#closed !== undefined) throw this.#closed;
      await this.#change();
    }
  }

  close(): void {
    clearTimeout(this.#watch);
    this.#end(new Closed(1000, "closed here"));
    this.#socket.close();
  }

  #heard(text: string): void {
    if (this.#closed !== undefined) return;
    this.#listen();
    this.#waiting.push(text);
    this.#size += text.length;
    if (this.#size > MOST_WAITING) {
      // The rest is asked for again, by the cursor of what was dealt with
      this.#end(new Closed(1000, "too much waits here"));
      this.#socket.close();
    }
    this.#changed();
  }

  #listen(): void {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => {
      this.#end(new Closed(1006, "the gateway says nothing any more"));
      this.#socket.close();
    }, this.silenceMs);
  }

  #end(closed: Closed): void {
    clearTimeout(this.#watch);
    this.#closed ??= closed;
    this.#changed();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #changed(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
