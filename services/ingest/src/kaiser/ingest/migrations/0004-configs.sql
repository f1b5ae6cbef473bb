-- What came of the equipment that a device is to have ('' while nobody said), since when it does not hear (1970 while it
-- does), when it was started at the latest, how often that was, and why the last time.
ALTER TABLE devices
    ADD COLUMN config_state text NOT NULL DEFAULT '',
    ADD COLUMN deaf_since timestamptz NOT NULL DEFAULT 'epoch',
    ADD COLUMN booted_at timestamptz NOT NULL DEFAULT 'epoch',
    ADD COLUMN restarts bigint NOT NULL DEFAULT 0,
    ADD COLUMN reset_reason text NOT NULL DEFAULT '';
