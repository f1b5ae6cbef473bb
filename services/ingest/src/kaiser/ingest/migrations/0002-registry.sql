-- What the registry decided of each device, beside what is heard of it. registry_seq is the sequence of the last decision
-- that is in the row; key_issued_at is 1970 while no key is valid.
ALTER TABLE devices
    ADD COLUMN name text NOT NULL DEFAULT '',
    ADD COLUMN board text,
    ADD COLUMN key_issued_at timestamptz NOT NULL DEFAULT 'epoch',
    ADD COLUMN state_since timestamptz NOT NULL DEFAULT 'epoch',
    ADD COLUMN state_by text NOT NULL DEFAULT '',
    ADD COLUMN state_reason text NOT NULL DEFAULT '',
    ADD COLUMN registry_seq bigint NOT NULL DEFAULT 0;
