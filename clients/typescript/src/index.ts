/** The live stream of a Kaiser gateway: typed, and gapless over disconnects. */

export * from "./messages.js";
export { LiveStream, login, NotAllowedError, WishError } from "./stream.js";
export type { Credentials, Options, Update } from "./stream.js";
