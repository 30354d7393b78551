"""Batches on their way into the warehouse: compare, stage, merge, commit."""
