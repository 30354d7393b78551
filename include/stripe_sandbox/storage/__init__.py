"""Stored objects, by account and mode."""
