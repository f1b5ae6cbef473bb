-- Rollups of one sensor, oldest first, a page at a time.
-- Parameters: sensor, start (of a bucket), end, limit.
SELECT bucket, count, errors, minimum, maximum, total / nullif(count - errors, 0), last
FROM rollup_1m
WHERE sensor_id = $1::bigint AND bucket >= $2::timestamptz AND bucket < $3::timestamptz
ORDER BY bucket
LIMIT $4::integer
