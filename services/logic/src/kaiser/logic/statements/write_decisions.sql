-- Decisions into their table; what is there already stays as it is.
-- Parameters: one array of each column, last sequence of all.
WITH written AS (
    INSERT INTO logic.decisions (n, at, seq, rule_id, version, run_id, kind, outcome, type, body)
    SELECT n, at, seq, rule_id, version, run_id, kind, outcome, type, body::json
    FROM unnest(
        $1::bigint[], $2::timestamptz[], $3::bigint[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::text[],
        $9::text[], $10::text[]
    ) AS t (n, at, seq, rule_id, version, run_id, kind, outcome, type, body)
    ON CONFLICT (n, at) DO NOTHING
)
INSERT INTO logic.progress AS p (consumer, stream_seq, updated_at)
VALUES ('runs', $11::bigint, now())
ON CONFLICT (consumer) DO UPDATE SET
    stream_seq = greatest(p.stream_seq, excluded.stream_seq), updated_at = excluded.updated_at
