-- One statement a transaction: readings, rollups, latest and progress, each from what was really new.
-- Parameters: eight columns of readings; consumer, last stream sequence; stream sequences of batches that readings were
-- left out of, and how many.
WITH taken AS (
    SELECT * FROM unnest(
        $1::bigint[], $2::timestamptz[], $3::bigint[], $4::timestamptz[],
        $5::bigint[], $6::bigint[], $7::double precision[], $8::double precision[]
    ) AS t (sensor_id, measured_at, reading_id, received_at, device_ts, context_id, raw, value)
),
-- A redelivered reading is not returned, so everything below sees a reading exactly once.
stored AS (
    INSERT INTO readings
        (sensor_id, measured_at, reading_id, received_at, stored_at, device_ts, context_id, raw, value)
    SELECT sensor_id, measured_at, reading_id, received_at, now(), device_ts, context_id, raw, nullif(value, 'NaN')
    FROM taken
    ORDER BY sensor_id, measured_at -- neighbours in the index are inserted together
    ON CONFLICT DO NOTHING
    RETURNING *
),
ranked AS (
    SELECT *, time_bucket('1 minute', measured_at) AS bucket,
           row_number() OVER (
               PARTITION BY sensor_id, time_bucket('1 minute', measured_at)
               ORDER BY value IS NULL, measured_at DESC, received_at DESC, reading_id DESC
           ) AS place
    FROM stored
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
minutes_merged AS (
    INSERT INTO rollup_1m AS r
        (sensor_id, bucket, count, errors, total, minimum, maximum,
         last, last_measured_at, last_received_at, last_id)
    SELECT * FROM minutes ORDER BY sensor_id, bucket
    ON CONFLICT (sensor_id, bucket) DO UPDATE SET
        count = r.count + excluded.count,
        errors = r.errors + excluded.errors,
        total = r.total + excluded.total,
        minimum = least(r.minimum, excluded.minimum),
        maximum = greatest(r.maximum, excluded.maximum),
        last = CASE WHEN (r.last_measured_at, r.last_received_at, r.last_id)
            < (excluded.last_measured_at, excluded.last_received_at, excluded.last_id)
            THEN excluded.last ELSE r.last END,
        last_measured_at = CASE WHEN (r.last_measured_at, r.last_received_at, r.last_id)
            < (excluded.last_measured_at, excluded.last_received_at, excluded.last_id)
            THEN excluded.last_measured_at ELSE r.last_measured_at END,
        last_received_at = CASE WHEN (r.last_measured_at, r.last_received_at, r.last_id)
            < (excluded.last_measured_at, excluded.last_received_at, excluded.last_id)
            THEN excluded.last_received_at ELSE r.last_received_at END,
        last_id = CASE WHEN (r.last_measured_at, r.last_received_at, r.last_id)
            < (excluded.last_measured_at, excluded.last_received_at, excluded.last_id)
            THEN excluded.last_id ELSE r.last_id END
),
-- An hour is merged from the minutes; of their last values the latest counts.
hours_merged AS (
    INSERT INTO rollup_1h AS r
        (sensor_id, bucket, count, errors, total, minimum, maximum,
         last, last_measured_at, last_received_at, last_id)
    SELECT sensor_id, hour, sum(count), sum(errors), sum(total), min(minimum), max(maximum),
           max(last) FILTER (WHERE place = 1), max(last_measured_at) FILTER (WHERE place = 1),
           max(last_received_at) FILTER (WHERE place = 1), max(last_id) FILTER (WHERE place = 1)
    FROM (
        SELECT *, time_bucket('1 hour', bucket) AS hour,
               row_number() OVER (
                   PARTITION BY sensor_id, time_bucket('1 hour', bucket)
                   ORDER BY last_measured_at DESC, last_received_at DESC, last_id DESC
               ) AS place
        FROM minutes
    ) AS ranked_minutes
    GROUP BY sensor_id, hour
    ORDER BY sensor_id, hour
    ON CONFLICT (sensor_id, bucket) DO UPDATE SET
        count = r.count + excluded.count,
        errors = r.errors + excluded.errors,
        total = r.total + excluded.total,
        minimum = least(r.minimum, excluded.minimum),
        maximum = greatest(r.maximum, excluded.maximum),
        last = CASE WHEN (r.last_measured_at, r.last_received_at, r.last_id)
            < (excluded.last_measured_at, excluded.last_received_at, excluded.last_id)
            THEN excluded.last ELSE r.last END,
        last_measured_at = CASE WHEN (r.last_measured_at, r.last_received_at, r.last_id)
            < (excluded.last_measured_at, excluded.last_received_at, excluded.last_id)
            THEN excluded.last_measured_at ELSE r.last_measured_at END,
        last_received_at = CASE WHEN (r.last_measured_at, r.last_received_at, r.last_id)
            < (excluded.last_measured_at, excluded.last_received_at, excluded.last_id)
            THEN excluded.last_received_at ELSE r.last_received_at END,
        last_id = CASE WHEN (r.last_measured_at, r.last_received_at, r.last_id)
            < (excluded.last_measured_at, excluded.last_received_at, excluded.last_id)
            THEN excluded.last_id ELSE r.last_id END
),
latest_merged AS (
    INSERT INTO latest AS l
        (sensor_id, measured_at, reading_id, received_at, stored_at, device_ts, context_id, raw, value)
    SELECT DISTINCT ON (sensor_id)
        sensor_id, measured_at, reading_id, received_at, stored_at, device_ts, context_id, raw, value
    FROM stored
    ORDER BY sensor_id, measured_at DESC, received_at DESC, reading_id DESC
    ON CONFLICT (sensor_id) DO UPDATE SET
        measured_at = excluded.measured_at,
        reading_id = excluded.reading_id,
        received_at = excluded.received_at,
        stored_at = excluded.stored_at,
        device_ts = excluded.device_ts,
        context_id = excluded.context_id,
        raw = excluded.raw,
        value = excluded.value
    WHERE (l.measured_at, l.received_at, l.reading_id)
        < (excluded.measured_at, excluded.received_at, excluded.reading_id)
),
dropped AS (
    SELECT * FROM unnest($11::bigint[], $12::bigint[]) AS d (seq, n)
),
counted AS (
    SELECT (SELECT count(*) FROM taken) AS seen, (SELECT count(*) FROM stored) AS stored
),
progressed AS (
    INSERT INTO progress AS p (consumer, stream_seq, seen, stored, duplicates, dropped, updated_at)
    SELECT $9::text, $10::bigint, seen, stored, seen - stored, (SELECT coalesce(sum(n), 0) FROM dropped), now()
    FROM counted
    ON CONFLICT (consumer) DO UPDATE SET
        stream_seq = greatest(p.stream_seq, excluded.stream_seq),
        seen = p.seen + excluded.seen,
        stored = p.stored + excluded.stored,
        duplicates = p.duplicates + excluded.duplicates,
        -- No unique key tells a redelivered count from a new one, but the log delivers in order.
        dropped = p.dropped + (SELECT coalesce(sum(n), 0) FROM dropped WHERE seq > p.stream_seq),
        updated_at = excluded.updated_at
)
SELECT seen, stored FROM counted
