-- Parameters: order, where to go on, readings seen and changed by this step.
UPDATE recomputes
SET next_at = $2::timestamptz, seen = seen + $3::bigint, changed = changed + $4::bigint, updated_at = now()
WHERE recompute_id = $1::text
RETURNING seen, changed
