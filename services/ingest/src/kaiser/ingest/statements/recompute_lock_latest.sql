-- The recorder takes a sensor's latest row first and its hour next, so these are locked in the same order, and whatever it
-- adds to the hour is either seen here or added to what is written here.
SELECT 1 FROM latest WHERE sensor_id = $1::bigint FOR UPDATE
