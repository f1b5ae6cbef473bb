-- What heartbeats tell of a device, over time; the newest is in devices, too.
CREATE TABLE health (
    esp_id          text NOT NULL,
    at              timestamptz NOT NULL,
    uptime_s        bigint NOT NULL,
    heap_free_bytes bigint NOT NULL,
    wifi_rssi_dbm   integer NOT NULL
);
CREATE UNIQUE INDEX health_identity ON health (esp_id, at);
DO $$
BEGIN
    PERFORM create_hypertable('health', by_range('at', interval '7 days'), create_default_indexes => false);
END
$$;

ALTER TABLE devices ADD COLUMN wifi_ip text NOT NULL DEFAULT '';
