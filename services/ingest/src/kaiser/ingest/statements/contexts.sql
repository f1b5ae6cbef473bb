-- Contexts that readings are about to name. The id is a digest of the rest, so a conflict is the same row.
INSERT INTO contexts (context_id, zone_id, subzone_id, unit, quality, time_source, pending, flags)
SELECT * FROM unnest(
    $1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[], $8::text[]
)
ON CONFLICT DO NOTHING
