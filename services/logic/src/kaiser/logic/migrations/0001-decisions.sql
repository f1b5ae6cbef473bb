-- What rules did and why they did not, for lists and explanations. Facts are in the stream LOGIC; all of this can be dropped and
-- is made anew from it. Only logic writes here, and nobody else reads.

-- One row a decision, never changed: events may come in any order and more than once (two instances share a consumer), and what
-- became of a run is found when somebody asks. A decision is told apart by its number, n, which counts without a gap.
CREATE TABLE decisions (
    n       bigint NOT NULL,
    at      timestamptz NOT NULL,
    seq     bigint NOT NULL,
    rule_id text NOT NULL,
    version integer NOT NULL,
    run_id  text NOT NULL,
    kind    text NOT NULL,
    outcome text NOT NULL,
    type    text NOT NULL,
    body    json NOT NULL
);
CREATE UNIQUE INDEX decisions_identity ON decisions (n, at);

-- Lists go backwards in time, through everything or through one rule; a run is found by its id.
CREATE INDEX decisions_newest ON decisions (at DESC, n DESC) WHERE kind IN ('started', 'skipped');
CREATE INDEX decisions_of_rule ON decisions (rule_id, at DESC, n DESC);
CREATE INDEX decisions_of_run ON decisions (run_id, n) WHERE run_id <> '';

-- How far a consumer's effects are in these tables, written in the same transaction as they are.
CREATE TABLE progress (
    consumer   text PRIMARY KEY,
    stream_seq bigint NOT NULL,
    updated_at timestamptz NOT NULL
) WITH (fillfactor = 20);

DO $$
BEGIN
    PERFORM create_hypertable('decisions', by_range('at', interval '7 days'), create_default_indexes => false);
END
$$;
