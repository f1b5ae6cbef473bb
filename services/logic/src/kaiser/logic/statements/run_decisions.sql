-- Everything that runs decided. Parameters: ids of the runs, since when, how many, 1 for the oldest first or -1 for the
-- newest.
SELECT run_id, seq, type, body::text, n
FROM decisions
WHERE run_id = ANY($1::text[]) AND run_id <> '' AND at >= $2::timestamptz
ORDER BY n * $4::integer
LIMIT $3::integer
