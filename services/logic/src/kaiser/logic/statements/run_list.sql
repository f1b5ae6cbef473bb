-- Runs and skips, newest first, a page at a time: what began each, and what ended it.
-- Parameters: time and number below which to begin, rule (null for any), outcome (null for any), first time, last time
-- (exclusive), how many.
SELECT began.at, began.n, began.seq, began.type, began.body::text, ended.body::text
FROM logic.decisions began
LEFT JOIN LATERAL (
    SELECT outcome, body
    FROM logic.decisions
    WHERE run_id = began.run_id AND run_id <> '' AND kind = 'ended' AND at >= began.at
    LIMIT 1
) ended ON began.run_id <> ''
WHERE began.kind IN ('started', 'skipped')
  AND began.at <= $1::timestamptz
  AND (began.at, began.n) < ($1, $2::bigint)
  AND ($3::text IS NULL OR began.rule_id = $3)
  AND ($4::text IS NULL OR coalesce(ended.outcome, began.outcome) = $4)
  AND began.at >= $5::timestamptz
  AND began.at < $6::timestamptz
ORDER BY began.at DESC, began.n DESC
LIMIT $7::integer
