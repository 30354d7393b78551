"""Mutations in the warehouse: stored requests, own change events, cursors of consumers."""
