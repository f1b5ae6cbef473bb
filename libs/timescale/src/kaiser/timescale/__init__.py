"""TimescaleDB: pool, migrations, hypertables, retention, licence detection."""
