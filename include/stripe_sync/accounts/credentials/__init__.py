"""Credentials: Stripe keys that are stored outside of this package, as Airflow connections."""
