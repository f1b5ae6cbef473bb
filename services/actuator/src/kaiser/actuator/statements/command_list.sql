-- Commands, newest first, a page at a time.
-- Parameters: time and id after which to begin (null is from the newest), device, pin, outcome, correlation id (null is
-- any), start and end of the span of requests, limit.
SELECT command_id, correlation_id, esp_id, gpio, action, asked, level, duration_s, source, by, reason, state, seq,
       requested_at, ended_at, deadline_at, attempts, steps, code, detail, rule, decision_seq, causation_id, idempotency_key
FROM commands
WHERE requested_at IS NOT NULL
  AND ($1::timestamptz IS NULL OR (requested_at, command_id) < ($1, $2::text))
  AND ($3::text IS NULL OR esp_id = $3)
  AND ($4::integer IS NULL OR gpio = $4)
  AND ($5::text IS NULL OR outcome = $5)
  AND ($6::text IS NULL OR correlation_id = $6)
  AND ($7::timestamptz IS NULL OR requested_at >= $7)
  AND ($8::timestamptz IS NULL OR requested_at < $8)
ORDER BY requested_at DESC, command_id DESC
LIMIT $9::integer
