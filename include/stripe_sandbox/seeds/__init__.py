"""Fills accounts with objects: in bulk, for the demo, for benchmarks."""
