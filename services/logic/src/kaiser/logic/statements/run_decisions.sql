-- Everything that runs decided, in order. Parameters: ids of the runs, since when, how many.
SELECT run_id, seq, type, body::text
FROM logic.decisions
WHERE run_id = ANY($1::text[]) AND run_id <> '' AND at >= $2::timestamptz
ORDER BY n
LIMIT $3::integer
