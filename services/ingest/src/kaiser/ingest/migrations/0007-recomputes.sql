-- How far an order to make values anew has come: every reading before next_at is done. Written in the transaction of the
-- readings themselves, so that it goes on where it stopped.
CREATE TABLE recomputes (
    recompute_id text PRIMARY KEY,
    next_at      timestamptz NOT NULL,
    seen         bigint NOT NULL,
    changed      bigint NOT NULL,
    updated_at   timestamptz NOT NULL
);
