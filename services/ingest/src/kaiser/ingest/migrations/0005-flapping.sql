-- How often a device was lost, and since when that is counted: a loss five minutes after the first begins anew.
ALTER TABLE devices
    ADD COLUMN losses integer NOT NULL DEFAULT 0,
    ADD COLUMN losses_since timestamptz NOT NULL DEFAULT 'epoch';
