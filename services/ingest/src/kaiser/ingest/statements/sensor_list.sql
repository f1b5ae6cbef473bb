-- Sensors with their latest reading, in the order of device, pin, type and address, a page at a time.
-- Parameters: device, pin, type and address after which to begin; device, type, zone (null is any); limit; whether with
-- those of devices that nobody has approved.
SELECT s.sensor_id, s.esp_id, s.gpio, s.sensor_type, s.address, c.unit, c.zone_id,
       l.reading_id, l.measured_at, c.time_source, l.device_ts, l.received_at, l.stored_at, l.raw, l.value, c.unit,
       c.quality, c.zone_id, c.subzone_id, c.pending, c.flags
FROM sensors s
JOIN latest l USING (sensor_id)
JOIN contexts c USING (context_id)
LEFT JOIN devices d USING (esp_id)
WHERE (s.esp_id, s.gpio, s.sensor_type, s.address) > ($1::text, $2::integer, $3::text, $4::text)
  AND ($5::text IS NULL OR s.esp_id = $5)
  AND ($6::text IS NULL OR s.sensor_type = $6)
  AND ($7::text IS NULL OR c.zone_id = $7)
  AND ($9::boolean OR coalesce(d.state, 'pending') NOT IN ('pending', 'rejected'))
ORDER BY s.esp_id, s.gpio, s.sensor_type, s.address
LIMIT $8::integer
