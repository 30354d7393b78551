"""The use cases: backfill, poll, status."""
