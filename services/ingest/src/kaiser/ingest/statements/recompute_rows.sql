-- Readings of a sensor with what their values depend on.
-- Parameters: sensor, start, end.
SELECT r.measured_at, r.reading_id, r.raw, r.value, c.zone_id, c.subzone_id, c.unit, c.quality, c.time_source, c.pending,
       c.flags
FROM readings r
JOIN contexts c USING (context_id)
WHERE r.sensor_id = $1::bigint AND r.measured_at >= $2::timestamptz AND r.measured_at < $3::timestamptz
ORDER BY r.measured_at
