-- How far an order has come, locked against other instances.
-- Parameters: order, its start.
INSERT INTO recomputes AS r (recompute_id, next_at, seen, changed, updated_at)
VALUES ($1::text, $2::timestamptz, 0, 0, now())
ON CONFLICT (recompute_id) DO UPDATE SET updated_at = excluded.updated_at
RETURNING next_at, seen, changed
