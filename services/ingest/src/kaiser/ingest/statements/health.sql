-- Heartbeats, each once.
-- Parameters: esp_id, time, uptime, heap, rssi.
INSERT INTO health (esp_id, at, uptime_s, heap_free_bytes, wifi_rssi_dbm)
SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::integer[])
ON CONFLICT DO NOTHING
