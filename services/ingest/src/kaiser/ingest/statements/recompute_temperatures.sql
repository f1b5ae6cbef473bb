-- Sound values of the sensor that another one is compensated by.
-- Parameters: sensor, start, end, qualities that are not sound.
SELECT r.measured_at, r.value, c.unit
FROM readings r
JOIN contexts c USING (context_id)
WHERE r.sensor_id = $1::bigint AND r.measured_at >= $2::timestamptz AND r.measured_at < $3::timestamptz
  AND r.value IS NOT NULL AND NOT c.quality = ANY ($4::text[])
ORDER BY r.measured_at
