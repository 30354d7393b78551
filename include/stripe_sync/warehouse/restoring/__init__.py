"""Restoring the warehouse from the lake."""
