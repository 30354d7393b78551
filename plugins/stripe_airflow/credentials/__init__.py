"""Stripe credentials in Airflow's database, for the HTTP API: encrypted connections."""
