-- What people say a device is, beyond its board. The zone above its zone, as it says itself. Of the last order into a
-- zone: what that is called, the zone above it, whether the device leads it, and the order's sequence (0 for none).
ALTER TABLE devices
    ADD COLUMN firmware_version text NOT NULL DEFAULT '',
    ADD COLUMN mac_address text NOT NULL DEFAULT '',
    ADD COLUMN master_zone_id text NOT NULL DEFAULT '',
    ADD COLUMN zone_name text NOT NULL DEFAULT '',
    ADD COLUMN master_zone_wanted text NOT NULL DEFAULT '',
    ADD COLUMN zone_master boolean NOT NULL DEFAULT false,
    ADD COLUMN zone_seq bigint NOT NULL DEFAULT 0;

-- Who leads a zone: of those that were told to, the one ordered last.
CREATE INDEX devices_masters ON devices (zone_wanted, zone_seq) WHERE zone_master;
