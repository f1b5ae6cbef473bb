-- Sensors that readings are about to name.
INSERT INTO sensors (sensor_id, esp_id, gpio, sensor_type, address)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::integer[], $4::text[], $5::text[])
ON CONFLICT DO NOTHING
