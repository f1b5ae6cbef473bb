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
WHERE esp_id = $1::text
