"""Snapshots in a database: SQLite beside the files of one machine, PostgreSQL for a fleet."""
