SELECT 1 FROM rollup_1h WHERE sensor_id = $1::bigint AND bucket = $2::timestamptz FOR UPDATE
