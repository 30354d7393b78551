"""Connections of Airflow, as ``stripe_sync`` takes them."""
