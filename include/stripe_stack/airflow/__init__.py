"""Airflow on this machine, known by its command line and its REST API only."""
