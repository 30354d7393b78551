"""Generates the typed views and the history views from the Stripe SDK's annotations.

``python -m stripe_stack.generate`` writes ``catalog/fields.json`` (every field of every
collection with its kind, the columns of the typed tables), ``catalog/references.json`` (every path
that names another object) and, for each collection, two dbt models with their properties;
``--check`` writes nothing and lists stale files.
"""
