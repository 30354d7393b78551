"""The dbt models of the views, and their properties."""
