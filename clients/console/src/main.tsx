import { render } from "preact";
import { resume } from "./api/session";
import { App } from "./app";
import "./style.css";

const root = document.getElementById("console");
if (root !== null) render(<App />, root);

/** The gateway may be starting; who is logged in is known once it answers. */
async function begin(): Promise<void> {
  for (;;) {
    try {
      return await resume();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }
}

void begin();
