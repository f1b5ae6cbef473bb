SELECT l.reading_id, l.measured_at, c.time_source, l.device_ts, l.received_at, l.stored_at, l.raw, l.value, c.unit,
       c.quality, c.zone_id, c.subzone_id, c.pending, c.flags
FROM latest l
JOIN contexts c USING (context_id)
WHERE l.sensor_id = $1::bigint
