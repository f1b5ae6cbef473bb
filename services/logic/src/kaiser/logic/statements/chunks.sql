-- Chunks of the decisions, the newest first: where each ends, and its size in bytes.
SELECT range_end, pg_total_relation_size(format('%I.%I', chunk_schema, chunk_name)::regclass)
FROM timescaledb_information.chunks
WHERE hypertable_schema = current_schema() AND hypertable_name = 'decisions'
ORDER BY range_end DESC
