"""Typed tables: for each collection a table whose columns are the fields of its objects."""
