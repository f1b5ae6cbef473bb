-- Which zone a device was ordered into, and what came of it: ordered, confirmed, refused or unanswered. zone_id is what the
-- device itself says.
ALTER TABLE devices
    ADD COLUMN zone_wanted text NOT NULL DEFAULT '',
    ADD COLUMN zone_state text NOT NULL DEFAULT '',
    ADD COLUMN zone_detail text NOT NULL DEFAULT '';
