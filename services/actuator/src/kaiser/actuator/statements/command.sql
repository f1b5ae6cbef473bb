-- One command. Parameter: its id.
SELECT command_id, correlation_id, esp_id, gpio, action, asked, level, duration_s, source, by, reason, state, seq,
       requested_at, ended_at, deadline_at, attempts, steps, code, detail, rule, decision_seq, causation_id, idempotency_key
FROM commands
WHERE command_id = $1::text AND requested_at IS NOT NULL
