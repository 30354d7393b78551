"""Airflow's face of stripe_sync: connection types, operators, a sensor, and the pages in the UI.

Nothing here does work of its own: hooks turn Airflow connections into what ``stripe_sync`` takes,
operators call its use cases and report to the task log.
"""
