-- Values and contexts of readings that are others now; of the latest one too.
-- Parameters: sensor, start and end of the span, columns of readings.
WITH remade AS (
    SELECT measured_at, reading_id, context_id, nullif(value, 'NaN') AS value
    FROM unnest($4::timestamptz[], $5::bigint[], $6::bigint[], $7::double precision[])
        AS t (measured_at, reading_id, context_id, value)
),
latest_remade AS (
    UPDATE latest AS l
    SET context_id = t.context_id, value = t.value
    FROM remade t
    WHERE l.sensor_id = $1::bigint AND l.measured_at = t.measured_at AND l.reading_id = t.reading_id
)
UPDATE readings AS r
SET context_id = t.context_id, value = t.value
FROM remade t
WHERE r.sensor_id = $1::bigint AND r.measured_at >= $2::timestamptz AND r.measured_at < $3::timestamptz
  AND r.measured_at = t.measured_at AND r.reading_id = t.reading_id
