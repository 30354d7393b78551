"""Stripe credentials over HTTP; stored in Airflow's database as encrypted connections."""
