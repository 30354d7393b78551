"""The embedded PostgreSQL server, and the views in the warehouse."""
