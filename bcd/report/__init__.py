"""Snapshots for people to read."""
