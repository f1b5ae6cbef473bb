-- Readings, their rollups, the latest of each sensor, and who sent them. Only ingest writes here, and nobody else reads.

-- What is the same for thousands of readings is kept once: 9 columns of 8 bytes instead of 17 with five texts, 112 bytes
-- a row instead of 190, and a third less time to write. The id is a digest of the content, so that it needs no question
-- to the database and a rebuild gives the same one.
CREATE TABLE contexts (
    context_id  bigint PRIMARY KEY,
    zone_id     text NOT NULL,
    subzone_id  text NOT NULL,
    unit        text NOT NULL,
    quality     text NOT NULL,
    time_source text NOT NULL CHECK (time_source IN ('device', 'server')),
    pending     boolean NOT NULL,
    flags       text NOT NULL
);

CREATE TABLE sensors (
    sensor_id   bigint PRIMARY KEY,
    esp_id      text NOT NULL,
    gpio        integer NOT NULL,
    sensor_type text NOT NULL,
    address     text NOT NULL,
    UNIQUE (esp_id, gpio, sensor_type, address)
);

-- measured_at is the time that counts, contexts.time_source whose clock that was; device_ts and received_at are what the
-- device and the bridge said, stored_at is the transaction's. value is null on error, for 0.0 is a value.
CREATE TABLE readings (
    sensor_id   bigint NOT NULL,
    measured_at timestamptz NOT NULL,
    reading_id  bigint NOT NULL,
    received_at timestamptz NOT NULL,
    stored_at   timestamptz NOT NULL,
    device_ts   bigint NOT NULL,
    context_id  bigint NOT NULL,
    raw         double precision NOT NULL,
    value       double precision
);

-- The identity of a reading, and the only index: history of one sensor reads it in order.
CREATE UNIQUE INDEX readings_identity ON readings (sensor_id, measured_at, reading_id);

-- Rollups can be merged: a late reading corrects the bucket that it belongs to. last is the latest value by measured time;
-- several readings of one second are told apart by arrival, and after that by id, so that a rebuild picks the same one.
-- fillfactor leaves room for the next version of a row on its page, so that an update touches no index (HOT).
CREATE TABLE rollup_1m (
    sensor_id        bigint NOT NULL,
    bucket           timestamptz NOT NULL,
    count            integer NOT NULL,
    errors           integer NOT NULL,
    total            double precision NOT NULL,
    minimum          double precision,
    maximum          double precision,
    last             double precision,
    last_measured_at timestamptz NOT NULL DEFAULT 'epoch',
    last_received_at timestamptz NOT NULL DEFAULT 'epoch',
    last_id          bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX rollup_1m_bucket ON rollup_1m (sensor_id, bucket);

CREATE TABLE rollup_1h (LIKE rollup_1m INCLUDING DEFAULTS) WITH (fillfactor = 70);
CREATE UNIQUE INDEX rollup_1h_bucket ON rollup_1h (sensor_id, bucket);

-- By measured time, not by arrival; ties as above.
CREATE TABLE latest (
    sensor_id   bigint PRIMARY KEY,
    measured_at timestamptz NOT NULL,
    reading_id  bigint NOT NULL,
    received_at timestamptz NOT NULL,
    stored_at   timestamptz NOT NULL,
    device_ts   bigint NOT NULL,
    context_id  bigint NOT NULL,
    raw         double precision NOT NULL,
    value       double precision
) WITH (fillfactor = 40);

-- How far a consumer's effects are in these tables, written in the same transaction as they are, and the ledger:
-- seen = stored + duplicates (redelivered by the log), dropped was left out before (redelivered by the broker).
CREATE TABLE progress (
    consumer   text PRIMARY KEY,
    stream_seq bigint NOT NULL,
    seen       bigint NOT NULL,
    stored     bigint NOT NULL,
    duplicates bigint NOT NULL,
    dropped    bigint NOT NULL,
    updated_at timestamptz NOT NULL
) WITH (fillfactor = 20);

-- A device as it was last heard. presence_at dates online and offline_reason, which heartbeats and last wills both tell,
-- from two streams; beat_at dates what a heartbeat says.
CREATE TABLE devices (
    esp_id          text PRIMARY KEY,
    kaiser_id       text NOT NULL,
    state           text NOT NULL,
    generation      text NOT NULL,
    zone_id         text NOT NULL,
    first_seen_at   timestamptz NOT NULL,
    last_seen_at    timestamptz NOT NULL,
    presence_at     timestamptz NOT NULL,
    online          boolean NOT NULL,
    offline_reason  text,
    beat_at         timestamptz NOT NULL DEFAULT 'epoch',
    boot            text NOT NULL,
    uptime_s        bigint,
    heap_free_bytes bigint,
    wifi_rssi_dbm   integer,
    sensor_count    integer,
    actuator_count  integer
) WITH (fillfactor = 50);

-- A day of readings a chunk: the unit in which retention drops rows. Rows arrive for every sensor at the right edge of its
-- range, so only one leaf page a sensor is hot, however large the chunk grows. Rollups are 60 and 3,600 times thinner.
-- No default index on time: the unique ones serve every query, and each index costs 1 µs a row.
-- (In a DO block, since yoyo prints what a SELECT answers.)
DO $$
BEGIN
    PERFORM create_hypertable('readings', by_range('measured_at', interval '1 day'),
        create_default_indexes => false);
    PERFORM create_hypertable('rollup_1m', by_range('bucket', interval '7 days'),
        create_default_indexes => false);
    PERFORM create_hypertable('rollup_1h', by_range('bucket', interval '90 days'),
        create_default_indexes => false);
END
$$;

-- For people: a reading in one line.
CREATE VIEW readings_in_words AS
SELECT s.esp_id, s.gpio, s.sensor_type, s.address, r.measured_at, r.value, c.unit, c.quality, c.time_source, c.pending,
       c.zone_id, c.subzone_id, c.flags, r.raw, r.device_ts, r.received_at, r.stored_at, r.reading_id, r.sensor_id
FROM readings r
JOIN contexts c USING (context_id)
JOIN sensors s USING (sensor_id);
