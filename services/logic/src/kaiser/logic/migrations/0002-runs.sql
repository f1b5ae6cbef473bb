-- One row a run, and one a time that a rule did not run, so that lists find those with one outcome without looking at all of
-- them. What a run decided is in decisions, and all of this is made of that; a row without a time is one whose
-- beginning has not come yet.
CREATE TABLE runs (
    run     text PRIMARY KEY, -- its id; for a skip its number behind a slash, which no id begins with
    n       bigint,
    at      timestamptz,
    rule_id text NOT NULL,
    outcome text NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX runs_newest ON runs (at DESC, n DESC);
CREATE INDEX runs_of_rule ON runs (rule_id, at DESC, n DESC);
CREATE INDEX runs_by_outcome ON runs (outcome, at DESC, n DESC);

INSERT INTO runs (run, n, at, rule_id, outcome)
SELECT CASE WHEN kind = 'skipped' THEN '/' || n ELSE run_id END,
       max(n) FILTER (WHERE kind <> 'ended'), max(at) FILTER (WHERE kind <> 'ended'), max(rule_id),
       coalesce(max(outcome) FILTER (WHERE kind = 'ended'), max(outcome))
FROM decisions
WHERE kind IN ('started', 'skipped', 'ended')
GROUP BY 1;
