"""Generates the typed views from the Stripe SDK's annotations.

``python -m stripe_stack.generate`` writes ``catalog/fields.json`` (every field of every
collection with its kind), ``catalog/references.json`` (every path that names another object) and,
for each collection, a dbt model with its properties;
``--check`` writes nothing and lists stale files.
"""
