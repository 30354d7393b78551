"""Consumers whose readers fetch batches and acknowledge each item."""
