"""Keeps a Stripe account in step with Parquet files and a Postgres warehouse.

The product itself, in plain Python: it knows nothing of Airflow. Arrows between the packages go
one way: ``sync``, ``mutate`` → ``extract``, ``lake``, ``warehouse`` → ``client`` → ``catalog``.
"""

__version__ = "0.1.0"
