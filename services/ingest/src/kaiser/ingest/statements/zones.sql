-- Zones in the order of their ids, a page at a time: those that devices say they are in, and those that any is ordered into.
-- Parameters: id after which to begin, when a device that was heard counts as gone, limit, zone (null is any).
WITH said AS (
    SELECT zone_id, max(master_zone_id) AS master_zone_id, count(*) AS devices,
           count(*) FILTER (WHERE online AND last_seen_at > $2::timestamptz) AS online
    FROM devices
    WHERE state IN ('pending', 'approved') AND zone_id > $1::text
    GROUP BY zone_id
), wanted AS (
    SELECT zone_wanted AS zone_id, count(*) FILTER (WHERE zone_state <> 'confirmed') AS ordered,
           (array_agg(zone_name ORDER BY zone_seq DESC))[1] AS zone_name,
           (array_agg(master_zone_wanted ORDER BY zone_seq DESC))[1] AS master_zone_id,
           (array_agg(esp_id ORDER BY zone_seq DESC) FILTER (WHERE zone_master))[1] AS master
    FROM devices
    WHERE state = 'approved' AND zone_wanted > $1::text
    GROUP BY zone_wanted
)
SELECT zone_id, coalesce(w.zone_name, ''), coalesce(w.master_zone_id, s.master_zone_id), coalesce(w.master, ''),
       coalesce(s.devices, 0), coalesce(s.online, 0), coalesce(w.ordered, 0)
FROM said s
FULL JOIN wanted w USING (zone_id)
WHERE zone_id <> '' AND ($4::text IS NULL OR zone_id = $4)
ORDER BY zone_id
LIMIT $3::integer
