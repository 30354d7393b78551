"""Names of columns in SQL."""

from __future__ import annotations

# Postgres' reserved words, which are column names only in quotes.
_RESERVED = """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check
    collate collation column concurrently constraint create cross current_catalog current_date
    current_role current_schema current_time current_timestamp current_user default deferrable
    desc distinct do else end except false fetch for foreign freeze from full grant group having
    ilike in initially inner intersect into is isnull join lateral leading left like limit
    localtime localtimestamp natural not notnull null offset on only or order outer overlaps
    placing primary references returning right select session_user similar some symmetric
    system_user table tablesample then to trailing true union unique user using variadic verbose
    when where window with
"""
RESERVED = frozenset(_RESERVED.split())


def quoted(name: str) -> str:
    """A column's name as SQL wants it."""
    return f'"{name}"' if name in RESERVED else name
