"""Writing batches: look up, compare, stage, merge, commit."""
