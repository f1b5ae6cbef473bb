-- The minutes of an hour and the hour itself, from the readings, as record.sql makes them.
-- Parameters: sensor, start of the hour, its end.
WITH ranked AS (
    SELECT *, time_bucket('1 minute', measured_at) AS bucket,
           row_number() OVER (
               PARTITION BY time_bucket('1 minute', measured_at)
               ORDER BY value IS NULL, measured_at DESC, received_at DESC, reading_id DESC
           ) AS place
    FROM readings
    WHERE sensor_id = $1::bigint AND measured_at >= $2::timestamptz AND measured_at < $3::timestamptz
),
minutes AS MATERIALIZED (
    SELECT sensor_id, bucket, count(*)::integer AS count, (count(*) - count(value))::integer AS errors,
           coalesce(sum(value), 0) AS total, min(value) AS minimum, max(value) AS maximum,
           max(value) FILTER (WHERE place = 1) AS last,
           coalesce(max(measured_at) FILTER (WHERE place = 1 AND value IS NOT NULL), 'epoch') AS last_measured_at,
           coalesce(max(received_at) FILTER (WHERE place = 1 AND value IS NOT NULL), 'epoch') AS last_received_at,
           coalesce(max(reading_id) FILTER (WHERE place = 1 AND value IS NOT NULL), 0) AS last_id
    FROM ranked
    GROUP BY sensor_id, bucket
),
minutes_written AS (
    INSERT INTO rollup_1m
        (sensor_id, bucket, count, errors, total, minimum, maximum,
         last, last_measured_at, last_received_at, last_id)
    SELECT * FROM minutes ORDER BY bucket
    ON CONFLICT (sensor_id, bucket) DO UPDATE SET
        count = excluded.count, errors = excluded.errors, total = excluded.total,
        minimum = excluded.minimum, maximum = excluded.maximum, last = excluded.last,
        last_measured_at = excluded.last_measured_at, last_received_at = excluded.last_received_at,
        last_id = excluded.last_id
)
INSERT INTO rollup_1h
    (sensor_id, bucket, count, errors, total, minimum, maximum,
     last, last_measured_at, last_received_at, last_id)
SELECT sensor_id, $2::timestamptz, sum(count), sum(errors), sum(total), min(minimum), max(maximum),
       max(last) FILTER (WHERE place = 1), max(last_measured_at) FILTER (WHERE place = 1),
       max(last_received_at) FILTER (WHERE place = 1), max(last_id) FILTER (WHERE place = 1)
FROM (
    SELECT *, row_number() OVER (ORDER BY last_measured_at DESC, last_received_at DESC, last_id DESC) AS place
    FROM minutes
) AS ranked_minutes
GROUP BY sensor_id
ON CONFLICT (sensor_id, bucket) DO UPDATE SET
    count = excluded.count, errors = excluded.errors, total = excluded.total,
    minimum = excluded.minimum, maximum = excluded.maximum, last = excluded.last,
    last_measured_at = excluded.last_measured_at, last_received_at = excluded.last_received_at,
    last_id = excluded.last_id
