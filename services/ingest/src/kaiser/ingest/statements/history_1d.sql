-- Days (UTC) of one sensor, merged from its hours, oldest first, a page at a time.
-- Parameters: sensor, start (of a day), end, limit.
SELECT time_bucket('1 day', bucket) AS day, sum(count), sum(errors), min(minimum), max(maximum),
       sum(total) / nullif(sum(count - errors), 0), last(last, last_measured_at)
FROM rollup_1h
WHERE sensor_id = $1::bigint AND bucket >= $2::timestamptz AND bucket < $3::timestamptz
GROUP BY day
ORDER BY day
LIMIT $4::integer
