import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

// The live stream's client is built from its source beside, so that the two are of one release.
const client = fileURLToPath(new URL("../typescript/src/index.ts", import.meta.url));

export default defineConfig({
  base: "./",
  resolve: { alias: { "kaiser-client": client } },
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
});
