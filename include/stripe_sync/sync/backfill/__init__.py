"""Backfill: read whole collections, oldest first."""
