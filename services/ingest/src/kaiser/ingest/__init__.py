"""Ingest: converts, grades and records readings; keeps the device registry."""
