-- A page of violations, newest first.
-- Parameters: sequence to begin below, device (null for any), pin (null for any), kind (null for any), rule (null for any),
-- first time, last time (exclusive), how many.
SELECT seq, at, kind, esp_id, gpio, rule, code, detail, saw::text, reference, correlation_id, who
FROM violations
WHERE seq < $1::bigint
  AND ($2::text IS NULL OR esp_id = $2)
  AND ($3::integer IS NULL OR gpio = $3)
  AND ($4::text IS NULL OR kind = $4)
  AND ($5::text IS NULL OR rule = $5)
  AND at >= $6::timestamptz
  AND at < $7::timestamptz
ORDER BY seq DESC
LIMIT $8::integer
