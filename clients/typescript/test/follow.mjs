// node follow.mjs URL TOKEN OPTIONS: prints every update as a line of JSON; the tests in Python read them.

import { LiveStream, login } from "../dist/index.js";

const [url, token, text] = process.argv.slice(2);
const { abort, ...options } = JSON.parse(text); // abort: as soon as a token is asked for
const aborting = new AbortController();
const own = async () => {
  if (abort) aborting.abort();
  return token;
};
const live = new LiveStream(url, token.includes(" ") ? login(url, ...token.split(" ")) : own, options);

try {
  for await (const update of live.updates(aborting.signal)) {
    console.log(JSON.stringify({ ...update, cursor: live.cursor, connections: live.connections }));
  }
  console.log(JSON.stringify({ ended: true, connections: live.connections }));
} catch (error) {
  console.log(JSON.stringify({ failed: error.constructor.name, words: error.message }));
}
