import type { JSX, TargetedSubmitEvent } from "preact";
import { useState } from "preact/hooks";
import { Problem } from "../api/http";
import { logIn } from "../api/session";
import { t } from "../i18n";
import { LanguageChoice } from "../ui/language";

function wordsFor(error: unknown): string {
  if (!(error instanceof Problem)) return t("login.away");
  if (error.status === 429) return t("login.wait");
  return error.status === 401 ? t("login.wrong") : error.message;
}

export function Login(): JSX.Element {
  const [words, setWords] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setWords("");
    try {
      await logIn(String(form.get("username")), String(form.get("password")));
    } catch (error) {
      setWords(wordsFor(error));
      setBusy(false);
    }
  };
  return (
    <main class="login">
      <form class="card" onSubmit={(event) => void submit(event)}>
        <h1>
          <img src="./icon.svg" alt="" width="36" height="36" /> {t("app.name")}
        </h1>
        <label>
          {t("login.user")}
          <input name="username" autocomplete="username" autocapitalize="none" required autofocus />
        </label>
        <label>
          {t("login.password")}
          <input name="password" type="password" autocomplete="current-password" required />
        </label>
        {words !== "" && (
          <p role="alert" class="problem">
            {words}
          </p>
        )}
        <button class="primary" disabled={busy}>
          {t("login.submit")}
        </button>
        <LanguageChoice />
      </form>
    </main>
  );
}
