-- Readings of one sensor, oldest first, a page at a time.
-- Parameters: sensor, start, end, measured time and id after which to begin, limit.
SELECT r.reading_id, r.measured_at, c.time_source, r.device_ts, r.received_at, r.stored_at, r.raw, r.value, c.unit,
       c.quality, c.zone_id, c.subzone_id, c.pending, c.flags
FROM (
    SELECT *
    FROM readings
    WHERE sensor_id = $1::bigint
      AND measured_at >= $2::timestamptz AND measured_at < $3::timestamptz
      AND (measured_at, reading_id) > ($4::timestamptz, $5::bigint)
    ORDER BY measured_at, reading_id
    LIMIT $6::integer
) AS r
JOIN contexts c USING (context_id)
ORDER BY r.measured_at, r.reading_id
