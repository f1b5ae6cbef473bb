-- Runs and skips, newest first, a page at a time: what began each, and what ended it.
-- Parameters: time and number below which to begin, rule (null for any), outcome (null for any), first time, last time
-- (exclusive), how many.
WITH page AS (
    SELECT run, n, at
    FROM runs
    WHERE at <= $1::timestamptz
      AND (at, n) < ($1, $2::bigint)
      AND ($3::text IS NULL OR rule_id = $3)
      AND ($4::text IS NULL OR outcome = $4)
      AND at >= $5::timestamptz
      AND at < $6::timestamptz
    ORDER BY at DESC, n DESC
    LIMIT $7::integer
)
SELECT page.at, page.n, began.seq, began.type, began.body::text, ended.body::text
FROM page
CROSS JOIN LATERAL (
    SELECT seq, type, body FROM decisions WHERE at = page.at AND n = page.n LIMIT 1
) began
LEFT JOIN LATERAL (
    SELECT body FROM decisions
    WHERE run_id = page.run AND run_id <> '' AND kind = 'ended' AND at >= page.at
    LIMIT 1
) ended ON true
ORDER BY page.at DESC, page.n DESC
