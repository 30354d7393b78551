"""Erasing: which objects were erased, and what that leaves of their rows."""
