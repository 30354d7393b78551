"""Triggers: what Airflow's triggerer watches."""
