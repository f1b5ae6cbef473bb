import type { JSX } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import { all, ask, http } from "../api/http";
import type { Rule } from "../api/types";
import { t } from "../i18n";
import { listen } from "../live/feed";
import { Age, Badge, Empty, Section } from "../ui/parts";
import { ProblemBox } from "../ui/problem";
import { may } from "../ui/rights";
import { useWork } from "../ui/work";

export function Rules(): JSX.Element {
  const [rules, setRules] = useState<readonly Rule[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const load = useCallback(() => {
    all((cursor) => http.GET("/api/v1/rules", { params: { query: { ...(cursor && { cursor }) } } })).then((found) => {
      setRules(found as Rule[]);
      setError(null);
    }, setError);
  }, []);
  useEffect(() => {
    load();
    return listen((events) => {
      if (events.some(({ type }) => type === "rule_changed" || type === "logic_execution")) load();
    });
  }, [load]);
  return (
    <>
      <h1>{t("rule.title")}</h1>
      <Section title={`${t("rule.title")} (${rules?.length ?? 0})`}>
        <ProblemBox error={error} />
        {rules === null && error === null && <Empty>{t("common.loading")}</Empty>}
        {rules?.length === 0 && <Empty>{t("rule.none")}</Empty>}
        <ul class="rows">
          {rules?.map((rule) => (
            <Row key={rule.rule_id} rule={rule} onChange={load} />
          ))}
        </ul>
      </Section>
    </>
  );
}

function Row({ rule, onChange }: { rule: Rule; onChange: () => void }): JSX.Element {
  const work = useWork();
  const [why, setWhy] = useState("");
  const path = { rule_id: rule.rule_id };
  const toggle = (): void =>
    work.run(async () => {
      if (rule.enabled) await ask(http.POST("/api/v1/rules/{rule_id}/disable", { params: { path }, body: {} }));
      else await ask(http.POST("/api/v1/rules/{rule_id}/enable", { params: { path }, body: {} }));
      onChange();
    });
  const explain = (): void =>
    work.run(async () => {
      const said = await ask(http.GET("/api/v1/rules/{rule_id}/explanation", { params: { path } }));
      setWhy(said.sentence);
    });
  return (
    <li>
      <Badge tone={rule.enabled ? "good" : "quiet"}>{t(rule.enabled ? "rule.enabled" : "rule.disabled")}</Badge>
      <span class="grow">
        <strong>{rule.name || rule.rule_id}</strong>{" "}
        <span class="quiet">
          {t("rule.holds")}: {rule.truth === null ? t("common.unknown") : t(rule.truth ? "rule.yes" : "rule.no")} ·{" "}
          {t("rule.lastRun")}: <Age since={rule.last_run_at} />
        </span>
        {why !== "" && <p class="why">{why}</p>}
        <ProblemBox error={work.error} />
      </span>
      {rule.running.length > 0 && <Badge tone="on">{t("rule.active")}</Badge>}
      <button disabled={work.busy} onClick={explain}>
        {t("rule.why")}
      </button>
      {may("operator") && (
        <button disabled={work.busy} onClick={toggle}>
          {t(rule.enabled ? "rule.disable" : "rule.enable")}
        </button>
      )}
    </li>
  );
}
