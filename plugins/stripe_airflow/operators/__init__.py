"""Operators: one task each."""
