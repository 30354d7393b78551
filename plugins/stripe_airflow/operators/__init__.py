"""Operators, one module for each use case."""
