-- The first reading of a sensor in a span.
-- Parameters: sensor, start, end.
SELECT measured_at
FROM readings
WHERE sensor_id = $1::bigint AND measured_at >= $2::timestamptz AND measured_at < $3::timestamptz
ORDER BY measured_at
LIMIT 1
