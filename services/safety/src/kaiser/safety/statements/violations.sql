-- Rejections and stops into the table; what is there already stays as it is.
-- Parameters: sequences, times, kinds, devices, pins, rules, codes, details, values as JSON, references, correlation ids,
-- who decided; last sequence of the batch.
WITH written AS (
    INSERT INTO violations
        (seq, at, kind, esp_id, gpio, rule, code, detail, saw, reference, correlation_id, who)
    SELECT seq, at, kind, esp_id, gpio, rule, code, detail, saw::jsonb, reference, correlation_id, who
    FROM unnest(
        $1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::text[],
        $9::text[], $10::text[], $11::text[], $12::text[]
    ) AS t (seq, at, kind, esp_id, gpio, rule, code, detail, saw, reference, correlation_id, who)
    ON CONFLICT (seq) DO NOTHING
)
INSERT INTO progress AS p (consumer, stream_seq, updated_at)
VALUES ('violations', $13::bigint, now())
ON CONFLICT (consumer) DO UPDATE SET
    stream_seq = greatest(p.stream_seq, excluded.stream_seq), updated_at = excluded.updated_at
