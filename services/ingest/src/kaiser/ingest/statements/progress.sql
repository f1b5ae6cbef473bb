-- How far a consumer is that counts nothing.
-- Parameters: consumer, last sequence.
INSERT INTO progress AS p (consumer, stream_seq, seen, stored, duplicates, dropped, updated_at)
VALUES ($1::text, $2::bigint, 0, 0, 0, 0, now())
ON CONFLICT (consumer) DO UPDATE SET
    stream_seq = greatest(p.stream_seq, excluded.stream_seq), updated_at = excluded.updated_at
