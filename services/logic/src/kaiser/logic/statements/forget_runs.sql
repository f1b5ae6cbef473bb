-- Runs whose beginning was let go with the chunk that it was in.
DELETE FROM runs
WHERE at < (
    SELECT min(range_start) FROM timescaledb_information.chunks
    WHERE hypertable_schema = current_schema() AND hypertable_name = 'decisions'
)
