SELECT esp_id, kaiser_id, state, generation, zone_id, first_seen_at, last_seen_at, online, offline_reason, name,
       board, state_since, state_by, state_reason, key_issued_at, registry_seq,
       zone_wanted, zone_state, zone_detail, boot, uptime_s, heap_free_bytes, wifi_rssi_dbm, sensor_count, actuator_count,
       config_state, deaf_since, booted_at, restarts, reset_reason, presence_at, losses, losses_since, wifi_ip
FROM ingest.devices
WHERE esp_id = $1::text
