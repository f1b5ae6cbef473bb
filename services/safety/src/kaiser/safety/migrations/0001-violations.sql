-- What safety rejected and stopped, for lists; the decisions themselves are in the log. Only safety writes here, and nobody
-- else reads.
CREATE TABLE violations (
    seq            bigint PRIMARY KEY,
    at             timestamptz NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('rejected', 'stopped')),
    esp_id         text NOT NULL,
    gpio           integer NOT NULL,
    rule           text NOT NULL,
    code           text NOT NULL,
    detail         text NOT NULL,
    saw            jsonb NOT NULL,
    reference      text NOT NULL,
    correlation_id text NOT NULL,
    who            text NOT NULL
);

-- Lists go backwards through the log, of everything or of one device; other filters look at what these give.
CREATE INDEX violations_of_device ON violations (esp_id, gpio, seq DESC);
CREATE INDEX violations_in_time ON violations (at DESC);

-- How far the stream is in the table, written in the same transaction as the rows.
CREATE TABLE progress (
    consumer   text PRIMARY KEY,
    stream_seq bigint NOT NULL,
    updated_at timestamptz NOT NULL
) WITH (fillfactor = 20);
