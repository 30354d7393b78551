"""Hooks: Airflow connections as ``stripe_sync`` needs them."""
