-- Decisions about devices, one row each, merged into what is known; what is there already changes nothing.
-- Parameters: esp_id, kaiser_id, generation, time, state ('' for unchanged), who and why, name ('' for unchanged), board
-- (null for unchanged), time of the key (before 1970 for unchanged, 1970 for none), sequence, zone that is
-- wanted, what came of it ('' for unchanged) and why; what came of its equipment ('' for unchanged), since when it is deaf
-- (before 1970 for unchanged, 1970 for not); firmware and MAC address ('-' for unchanged); sequence of the last order into a zone (0
-- for unchanged), what that is called, the zone above it, whether the device leads it; last sequence of all.
WITH decided AS (
    INSERT INTO devices AS d
        (esp_id, kaiser_id, generation, first_seen_at, last_seen_at, presence_at, online, zone_id, boot,
         state, state_since, state_by, state_reason, name, board, key_issued_at, registry_seq,
         zone_wanted, zone_state, zone_detail, config_state, deaf_since,
         firmware_version, mac_address, zone_seq, zone_name, master_zone_wanted, zone_master)
    SELECT esp_id, kaiser_id, generation, at, 'epoch', 'epoch', false, '', '',
           state, at, who, why, name, board, key_issued_at, seq, zone_wanted, zone_state, zone_detail, config_state,
           deaf_since, firmware_version, mac_address, zone_seq, zone_name, master_zone_wanted, zone_master
    FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::text[], $10::timestamptz[], $11::bigint[], $12::text[], $13::text[], $14::text[], $15::text[], $16::timestamptz[],
        $17::text[], $18::text[], $19::bigint[], $20::text[], $21::text[], $22::boolean[]
    ) AS t (esp_id, kaiser_id, generation, at, state, who, why, name, board, key_issued_at, seq, zone_wanted, zone_state, zone_detail,
        config_state, deaf_since, firmware_version, mac_address, zone_seq, zone_name, master_zone_wanted,
        zone_master)
    ON CONFLICT (esp_id) DO UPDATE SET
        state = CASE WHEN excluded.state = '' THEN d.state ELSE excluded.state END,
        state_since = CASE WHEN excluded.state = '' THEN d.state_since ELSE excluded.state_since END,
        state_by = CASE WHEN excluded.state = '' THEN d.state_by ELSE excluded.state_by END,
        state_reason = CASE WHEN excluded.state = '' THEN d.state_reason ELSE excluded.state_reason END,
        name = CASE WHEN excluded.name = '' THEN d.name ELSE excluded.name END,
        board = coalesce(excluded.board, d.board),
        key_issued_at = CASE WHEN excluded.key_issued_at < 'epoch' THEN d.key_issued_at ELSE excluded.key_issued_at END,
        zone_wanted = CASE WHEN excluded.zone_state = '' THEN d.zone_wanted ELSE excluded.zone_wanted END,
        zone_state = CASE WHEN excluded.zone_state = '' THEN d.zone_state ELSE excluded.zone_state END,
        zone_detail = CASE WHEN excluded.zone_state = '' THEN d.zone_detail ELSE excluded.zone_detail END,
        config_state = CASE WHEN excluded.config_state = '' THEN d.config_state ELSE excluded.config_state END,
        deaf_since = CASE WHEN excluded.deaf_since < 'epoch' THEN d.deaf_since ELSE excluded.deaf_since END,
        firmware_version = CASE
            WHEN excluded.firmware_version = '-' THEN d.firmware_version ELSE excluded.firmware_version
        END,
        mac_address = CASE WHEN excluded.mac_address = '-' THEN d.mac_address ELSE excluded.mac_address END,
        zone_name = CASE WHEN excluded.zone_seq = 0 THEN d.zone_name ELSE excluded.zone_name END,
        master_zone_wanted = CASE
            WHEN excluded.zone_seq = 0 THEN d.master_zone_wanted ELSE excluded.master_zone_wanted
        END,
        zone_master = CASE WHEN excluded.zone_seq = 0 THEN d.zone_master ELSE excluded.zone_master END,
        zone_seq = greatest(d.zone_seq, excluded.zone_seq),
        registry_seq = excluded.registry_seq
    WHERE excluded.registry_seq > d.registry_seq
)
INSERT INTO progress AS p (consumer, stream_seq, seen, stored, duplicates, dropped, updated_at)
VALUES ('registry', $23::bigint, 0, 0, 0, 0, now())
ON CONFLICT (consumer) DO UPDATE SET
    stream_seq = greatest(p.stream_seq, excluded.stream_seq), updated_at = excluded.updated_at
