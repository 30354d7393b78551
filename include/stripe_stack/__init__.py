"""The local stack behind ``make``: PostgreSQL, a sandbox Stripe and Airflow as processes.

For trying, developing and small installations on one machine; ``docker-compose.yaml`` is the
bigger way. It knows Airflow only by its command line and its REST API.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The project's folder: the stack runs from a checkout."""
