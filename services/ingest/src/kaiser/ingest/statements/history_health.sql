-- Heartbeats of one device, oldest first, a page at a time.
-- Parameters: device, start, end, limit.
SELECT at, uptime_s, heap_free_bytes, wifi_rssi_dbm
FROM health
WHERE esp_id = $1::text AND at >= $2::timestamptz AND at < $3::timestamptz
ORDER BY at
LIMIT $4::integer
