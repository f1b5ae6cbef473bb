-- What an actuator reported, oldest first: the last change before the span too, for it says what was at its start.
-- Parameters: device, pin, start, end, limit, whether the page is the first.
WITH before AS (
    SELECT at, level, emergency, runtime_ms
    FROM states
    WHERE esp_id = $1::text AND gpio = $2::integer AND at < $3::timestamptz AND $6::boolean
    ORDER BY at DESC
    LIMIT 1
),
within AS (
    SELECT at, level, emergency, runtime_ms
    FROM states
    WHERE esp_id = $1 AND gpio = $2 AND at >= $3 AND at < $4::timestamptz
    ORDER BY at
    LIMIT $5::integer
)
SELECT * FROM before
UNION ALL
SELECT * FROM within
ORDER BY at
LIMIT $5
