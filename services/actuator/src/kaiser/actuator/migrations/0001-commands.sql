-- Commands and reported states. Facts are in the stream ACTUATORS; all of this can be dropped and is made anew from it.

-- One row a command. Its events may come in any order (two instances share a consumer), so each column is merged by a
-- rule that does not depend on it: what the request says is set once, seq and attempts only grow, and state is that of
-- the greatest seq. A row without requested_at is one whose request has not come yet.
CREATE TABLE commands (
    command_id      text PRIMARY KEY,
    correlation_id  text NOT NULL,
    esp_id          text NOT NULL,
    gpio            integer NOT NULL,
    action          text,
    asked           text,
    level           double precision,
    duration_s      integer,
    source          text,
    by              text,
    reason          text,
    state           text NOT NULL,
    seq             bigint NOT NULL,
    requested_at    timestamptz,
    ended_at        timestamptz,
    deadline_at     timestamptz,
    attempts        integer NOT NULL,
    steps           jsonb NOT NULL,
    code            text NOT NULL DEFAULT '',
    detail          text NOT NULL DEFAULT '',
    rule            text NOT NULL DEFAULT '',
    decision_seq    bigint NOT NULL DEFAULT 0,
    causation_id    text,
    idempotency_key text,
    outcome         text
) WITH (fillfactor = 60);
CREATE INDEX commands_newest ON commands (requested_at DESC, command_id DESC);
CREATE INDEX commands_of_actuator ON commands (esp_id, gpio, requested_at DESC, command_id DESC);
CREATE INDEX commands_correlated ON commands (correlation_id);

-- What actuators reported: only changes, dated by the bridge's receipt.
CREATE TABLE states (
    esp_id     text NOT NULL,
    gpio       integer NOT NULL,
    at         timestamptz NOT NULL,
    level      double precision,
    emergency  text NOT NULL,
    runtime_ms bigint NOT NULL
);
CREATE UNIQUE INDEX states_identity ON states (esp_id, gpio, at);

-- The last status of each actuator, which tells a change from a repetition.
CREATE TABLE latest (
    esp_id    text NOT NULL,
    gpio      integer NOT NULL,
    at        timestamptz NOT NULL,
    level     double precision,
    emergency text NOT NULL,
    PRIMARY KEY (esp_id, gpio)
) WITH (fillfactor = 50);

-- How far a consumer's effects are in these tables, written in the same transaction as they are.
CREATE TABLE progress (
    consumer   text PRIMARY KEY,
    stream_seq bigint NOT NULL,
    updated_at timestamptz NOT NULL
) WITH (fillfactor = 20);

DO $$
BEGIN
    PERFORM create_hypertable('states', by_range('at', interval '7 days'), create_default_indexes => false);
END
$$;
