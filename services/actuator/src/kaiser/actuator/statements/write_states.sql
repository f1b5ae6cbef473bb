-- Statuses in the order of the stream: those that say something else than the one before become rows.
-- Parameters: device, pin, time of receipt, level (null for unknown), emergency, runtime, place in the batch; last sequence.
WITH told AS (
    SELECT * FROM unnest(
        $1::text[], $2::integer[], $3::timestamptz[], $4::double precision[], $5::text[], $6::bigint[], $7::integer[]
    ) AS t (esp_id, gpio, at, level, emergency, runtime_ms, place)
),
fresh AS (
    -- A redelivered status is not newer than the last one that counted
    SELECT t.* FROM told t
    LEFT JOIN latest l USING (esp_id, gpio)
    WHERE l.at IS NULL OR t.at > l.at
),
followed AS (
    SELECT f.*, lag(f.place) OVER w IS NULL AS first, lag(f.level) OVER w AS level_before,
           lag(f.emergency) OVER w AS emergency_before
    FROM fresh f
    WINDOW w AS (PARTITION BY f.esp_id, f.gpio ORDER BY f.at, f.place)
),
changed AS (
    SELECT f.esp_id, f.gpio, f.at, f.level, f.emergency, f.runtime_ms
    FROM followed f
    LEFT JOIN latest l USING (esp_id, gpio)
    WHERE CASE WHEN f.first
        THEN l.at IS NULL OR (f.level, f.emergency) IS DISTINCT FROM (l.level, l.emergency)
        ELSE (f.level, f.emergency) IS DISTINCT FROM (f.level_before, f.emergency_before) END
),
stored AS (
    INSERT INTO states (esp_id, gpio, at, level, emergency, runtime_ms)
    SELECT * FROM changed ORDER BY esp_id, gpio, at
    ON CONFLICT (esp_id, gpio, at) DO NOTHING
),
latest_merged AS (
    INSERT INTO latest AS l (esp_id, gpio, at, level, emergency)
    SELECT DISTINCT ON (esp_id, gpio) esp_id, gpio, at, level, emergency
    FROM fresh
    ORDER BY esp_id, gpio, at DESC, place DESC
    ON CONFLICT (esp_id, gpio) DO UPDATE SET
        at = excluded.at, level = excluded.level, emergency = excluded.emergency
    WHERE excluded.at > l.at
)
INSERT INTO progress AS p (consumer, stream_seq, updated_at)
VALUES ('states', $8::bigint, now())
ON CONFLICT (consumer) DO UPDATE SET
    stream_seq = greatest(p.stream_seq, excluded.stream_seq), updated_at = excluded.updated_at
