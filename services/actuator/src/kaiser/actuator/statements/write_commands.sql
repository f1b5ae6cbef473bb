-- What events say of commands, one row each, merged into what is known; what is there already changes nothing.
-- Parameters: one array of each column (null for what was not said, 1970 for no time), last sequence of all.
WITH merged AS (
    INSERT INTO commands AS c
        (command_id, correlation_id, esp_id, gpio, action, asked, level, duration_s, source, by, reason, state, seq,
         requested_at, ended_at, deadline_at, attempts, steps, code, detail, rule, decision_seq, causation_id,
         idempotency_key, outcome)
    SELECT command_id, correlation_id, esp_id, gpio, action, asked, level, duration_s, source, by, reason, state, seq,
           nullif(requested_at, 'epoch'), nullif(ended_at, 'epoch'), nullif(deadline_at, 'epoch'), attempts, steps, code,
           detail, rule, decision_seq, causation_id, idempotency_key, outcome
    FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::double precision[],
        $8::integer[], $9::text[], $10::text[], $11::text[], $12::text[], $13::bigint[], $14::timestamptz[],
        $15::timestamptz[], $16::timestamptz[], $17::integer[], $18::jsonb[], $19::text[], $20::text[], $21::text[],
        $22::bigint[], $23::text[], $24::text[], $25::text[]
    ) AS t (command_id, correlation_id, esp_id, gpio, action, asked, level, duration_s, source, by, reason, state, seq,
        requested_at, ended_at, deadline_at, attempts, steps, code, detail, rule, decision_seq, causation_id,
        idempotency_key, outcome)
    ON CONFLICT (command_id) DO UPDATE SET
        action = coalesce(c.action, excluded.action),
        asked = coalesce(c.asked, excluded.asked),
        level = coalesce(c.level, excluded.level),
        duration_s = coalesce(c.duration_s, excluded.duration_s),
        source = coalesce(c.source, excluded.source),
        by = coalesce(c.by, excluded.by),
        reason = coalesce(c.reason, excluded.reason),
        causation_id = coalesce(c.causation_id, excluded.causation_id),
        idempotency_key = coalesce(c.idempotency_key, excluded.idempotency_key),
        requested_at = least(c.requested_at, excluded.requested_at),
        deadline_at = greatest(c.deadline_at, excluded.deadline_at),
        ended_at = coalesce(c.ended_at, excluded.ended_at),
        outcome = coalesce(c.outcome, excluded.outcome),
        state = coalesce(c.outcome, excluded.outcome, CASE
            WHEN c.state = '' OR (excluded.state <> '' AND excluded.seq > c.seq) THEN excluded.state ELSE c.state END),
        seq = greatest(c.seq, excluded.seq),
        attempts = greatest(c.attempts, excluded.attempts),
        steps = excluded.steps || c.steps,
        code = CASE WHEN c.code = '' THEN excluded.code ELSE c.code END,
        detail = CASE WHEN c.detail = '' THEN excluded.detail ELSE c.detail END,
        rule = CASE WHEN c.rule = '' THEN excluded.rule ELSE c.rule END,
        decision_seq = greatest(c.decision_seq, excluded.decision_seq)
)
INSERT INTO progress AS p (consumer, stream_seq, updated_at)
VALUES ('commands', $26::bigint, now())
ON CONFLICT (consumer) DO UPDATE SET
    stream_seq = greatest(p.stream_seq, excluded.stream_seq), updated_at = excluded.updated_at
