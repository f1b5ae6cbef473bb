-- What was heard of devices, one row each, merged into what is known. Nothing older overwrites anything newer, so events
-- may come again, and those of the two streams in any order.
-- Parameters: esp_id, kaiser_id, generation, first and last time heard, presence time, online, reason; heartbeat time
-- (1970 for none), zone, boot, uptime, heap, rssi, sensors, actuators, reset reason, address; times it was lost;
-- zone above its zone.
INSERT INTO devices AS d
    (esp_id, kaiser_id, generation, first_seen_at, last_seen_at, presence_at, online, offline_reason, beat_at, zone_id,
     boot, uptime_s, heap_free_bytes, wifi_rssi_dbm, sensor_count, actuator_count, reset_reason, wifi_ip, losses,
     master_zone_id, state, losses_since, booted_at)
SELECT t.*, 'pending', CASE WHEN losses > 0 THEN presence_at ELSE 'epoch' END,
       CASE WHEN uptime_s IS NULL THEN 'epoch' ELSE beat_at - make_interval(secs => uptime_s) END
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::boolean[], $8::text[],
    $9::timestamptz[], $10::text[], $11::text[], $12::bigint[], $13::bigint[], $14::integer[], $15::integer[],
    $16::integer[], $17::text[], $18::text[], $19::integer[], $20::text[]
) AS t (esp_id, kaiser_id, generation, first_seen_at, last_seen_at, presence_at, online, offline_reason, beat_at, zone_id,
        boot, uptime_s, heap_free_bytes, wifi_rssi_dbm, sensor_count, actuator_count, reset_reason, wifi_ip, losses,
        master_zone_id)
ON CONFLICT (esp_id) DO UPDATE SET
    kaiser_id = CASE WHEN excluded.last_seen_at >= d.last_seen_at THEN excluded.kaiser_id ELSE d.kaiser_id END,
    generation = CASE WHEN excluded.last_seen_at >= d.last_seen_at THEN excluded.generation ELSE d.generation END,
    first_seen_at = least(d.first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(d.last_seen_at, excluded.last_seen_at),
    presence_at = greatest(d.presence_at, excluded.presence_at),
    online = CASE WHEN excluded.presence_at >= d.presence_at THEN excluded.online ELSE d.online END,
    offline_reason = CASE
        WHEN excluded.presence_at >= d.presence_at THEN excluded.offline_reason ELSE d.offline_reason
    END,
    (losses, losses_since) = (
        SELECT CASE WHEN NOT lost THEN d.losses WHEN again THEN d.losses + excluded.losses ELSE excluded.losses END,
               CASE WHEN lost AND NOT again THEN excluded.losses_since ELSE d.losses_since END
        FROM (SELECT excluded.losses > 0 AND excluded.presence_at > d.presence_at,
                     d.losses_since > excluded.losses_since - interval '5 minutes') AS z (lost, again)
    ),
    (beat_at, zone_id, master_zone_id, boot, uptime_s, heap_free_bytes, wifi_rssi_dbm, sensor_count, actuator_count, reset_reason,
     wifi_ip, restarts, booted_at) = (
        SELECT CASE WHEN newer THEN excluded.beat_at ELSE d.beat_at END,
               CASE WHEN newer THEN excluded.zone_id ELSE d.zone_id END,
               CASE WHEN newer THEN excluded.master_zone_id ELSE d.master_zone_id END,
               CASE WHEN newer THEN excluded.boot ELSE d.boot END,
               CASE WHEN newer THEN excluded.uptime_s ELSE d.uptime_s END,
               CASE WHEN newer THEN excluded.heap_free_bytes ELSE d.heap_free_bytes END,
               CASE WHEN newer THEN excluded.wifi_rssi_dbm ELSE d.wifi_rssi_dbm END,
               CASE WHEN newer THEN excluded.sensor_count ELSE d.sensor_count END,
               CASE WHEN newer THEN excluded.actuator_count ELSE d.actuator_count END,
               CASE WHEN newer THEN excluded.reset_reason ELSE d.reset_reason END,
               CASE WHEN newer AND excluded.wifi_ip <> '' THEN excluded.wifi_ip ELSE d.wifi_ip END,
               d.restarts + anew::integer,
               CASE WHEN anew OR newer AND d.booted_at = 'epoch' THEN excluded.booted_at
                    WHEN newer THEN least(d.booted_at, excluded.booted_at)
                    ELSE d.booted_at END
        FROM (SELECT excluded.beat_at >= d.beat_at AND excluded.uptime_s IS NOT NULL) AS x (newer),
             LATERAL (SELECT newer AND d.uptime_s IS NOT NULL AND (excluded.uptime_s < d.uptime_s
                      OR excluded.uptime_s = d.uptime_s AND excluded.beat_at > d.beat_at + interval '30 seconds'
                      OR excluded.boot <> d.boot AND excluded.boot <> '' AND d.boot <> '')) AS y (anew)
    )
