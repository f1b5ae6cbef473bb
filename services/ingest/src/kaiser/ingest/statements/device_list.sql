-- Devices in the order of their ids, a page at a time.
-- Parameters: id after which to begin, state, kaiser id, zone (null is any), limit.
SELECT esp_id, kaiser_id, state, generation, zone_id, first_seen_at, last_seen_at, online, offline_reason, name,
       board, state_since, state_by, state_reason, key_issued_at, registry_seq,
       zone_wanted, zone_state, zone_detail, boot, uptime_s, heap_free_bytes, wifi_rssi_dbm, sensor_count, actuator_count,
       config_state, deaf_since, booted_at, restarts, reset_reason, presence_at, losses, losses_since, wifi_ip,
       master_zone_id,
       zone_master AND NOT EXISTS (
           SELECT 1 FROM devices other
           WHERE other.zone_master AND other.zone_wanted = d.zone_wanted AND other.zone_seq > d.zone_seq
                 AND other.state = 'approved'
       ),
       firmware_version, mac_address
FROM devices d
WHERE esp_id > $1::text
  AND ($2::text IS NULL OR state = $2)
  AND ($3::text IS NULL OR kaiser_id = $3)
  AND ($4::text IS NULL OR zone_id = $4)
ORDER BY esp_id
LIMIT $5::integer
