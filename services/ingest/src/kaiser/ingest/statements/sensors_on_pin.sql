-- Which sensors a question can mean: one, none, or several probes on one pin.
-- Parameters: device, pin, type, address (null is any).
SELECT s.sensor_id, coalesce(c.unit, ''), coalesce(d.state, 'pending'), s.address
FROM sensors s
LEFT JOIN latest l USING (sensor_id)
LEFT JOIN contexts c USING (context_id)
LEFT JOIN devices d USING (esp_id)
WHERE s.esp_id = $1::text AND s.gpio = $2::integer AND s.sensor_type = $3::text
  AND ($4::text IS NULL OR s.address = $4)
LIMIT 2
