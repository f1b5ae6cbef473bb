// node follow.mjs URL TOKEN OPTIONS: prints every update as a line of JSON; the tests in Python read them.

import { LiveStream, login } from "../dist/index.js";

const [url, token, options] = process.argv.slice(2);
const credentials = token.includes(" ") ? login(url, ...token.split(" ")) : async () => token;
const live = new LiveStream(url, credentials, JSON.parse(options));

try {
  for await (const update of live.updates()) {
    console.log(JSON.stringify({ ...update, cursor: live.cursor, connections: live.connections }));
  }
} catch (error) {
  console.log(JSON.stringify({ failed: error.constructor.name, words: error.message }));
}
