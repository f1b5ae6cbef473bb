-- Decisions into their table, and what began and ended runs into the list of them; what is there already changes nothing.
-- Parameters: one array of each column, last sequence of all.
WITH told AS (
    SELECT * FROM unnest(
        $1::bigint[], $2::timestamptz[], $3::bigint[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::text[],
        $9::text[], $10::text[]
    ) AS t (n, at, seq, rule_id, version, run_id, kind, outcome, type, body)
),
written AS (
    INSERT INTO decisions (n, at, seq, rule_id, version, run_id, kind, outcome, type, body)
    SELECT n, at, seq, rule_id, version, run_id, kind, outcome, type, body::json FROM told
    ON CONFLICT (n, at) DO NOTHING
),
listed AS (
    INSERT INTO runs AS r (run, n, at, rule_id, outcome)
    SELECT CASE WHEN kind = 'skipped' THEN '/' || n ELSE run_id END AS run,
           max(n) FILTER (WHERE kind <> 'ended'), max(at) FILTER (WHERE kind <> 'ended'), max(rule_id),
           coalesce(max(outcome) FILTER (WHERE kind = 'ended'), max(outcome))
    FROM told
    WHERE kind IN ('started', 'skipped', 'ended')
    GROUP BY run
    ORDER BY run -- writers that lock rows in one order do not lock each other out
    ON CONFLICT (run) DO UPDATE SET
        n = coalesce(r.n, excluded.n),
        at = coalesce(r.at, excluded.at),
        outcome = CASE WHEN r.outcome = 'running' THEN excluded.outcome ELSE r.outcome END
)
INSERT INTO progress AS p (consumer, stream_seq, updated_at)
VALUES ('runs', $11::bigint, now())
ON CONFLICT (consumer) DO UPDATE SET
    stream_seq = greatest(p.stream_seq, excluded.stream_seq), updated_at = excluded.updated_at
