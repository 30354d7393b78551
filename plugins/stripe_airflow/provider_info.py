"""What Airflow is told of this package: its connection types and their forms."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Provider metadata, read by Airflow through the package's entry point."""
    return {
        "package-name": "airflow-stripe-sync",
        "name": "Stripe sync",
        "description": "Keeps a Stripe account in step with Parquet files and Postgres.",
        "hooks": [
            {
                "integration-name": "Stripe",
                "python-modules": ["stripe_airflow.hooks.stripe", "stripe_airflow.hooks.lake"],
            }
        ],
        "operators": [
            {
                "integration-name": "Stripe",
                "python-modules": [
                    "stripe_airflow.operators.backfill",
                    "stripe_airflow.operators.dbt",
                    "stripe_airflow.operators.maintain",
                    "stripe_airflow.operators.reload",
                    "stripe_airflow.operators.reconcile",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": "Stripe",
                "python-modules": ["stripe_airflow.sensors.stripe_events"],
            }
        ],
        "connection-types": [_stripe_connection(), _lake_connection()],
    }


def _stripe_connection() -> dict[str, Any]:
    return {
        "connection-type": "stripe",
        "hook-class-name": "stripe_airflow.hooks.stripe.StripeHook",
        "hook-name": "Stripe",
        "ui-field-behaviour": {
            "hidden-fields": ["schema", "port", "login"],
            "relabeling": {"password": "Secret or restricted key", "host": "API base"},
            "placeholders": {"password": "rk_live_…", "host": "https://api.stripe.com"},
        },
        "conn-fields": {
            "account": {
                "label": "Connected account",
                "description": "Act for this account (acct_…). Leave empty for the key's own.",
                "schema": {"type": ["string", "null"], "pattern": "^acct_[A-Za-z0-9]+$"},
            },
            "requests_per_second": {
                "label": "Requests per second",
                "description": "Ceiling for backfills. Empty means 50 in live mode, 20 in test.",
                "schema": {"type": ["number", "null"], "exclusiveMinimum": 0},
            },
            "total_requests_per_second": {
                "label": "Requests per second, everything",
                "description": "If Stripe allows the account more than 100 (25 in test mode).",
                "schema": {"type": ["number", "null"], "exclusiveMinimum": 0},
            },
            "endpoint_requests_per_second": {
                "label": "Requests per second and endpoint",
                "description": "If Stripe allows the account more than 25.",
                "schema": {"type": ["number", "null"], "exclusiveMinimum": 0},
            },
            "max_age_days": {
                "label": "Days to look back",
                "description": "Backfill only objects created since. Empty means all.",
                "schema": {"type": ["integer", "null"], "exclusiveMinimum": 0},
            },
            "created_events": {
                "label": "Events for existing objects",
                "description": "A backfill writes a 'created' event for each object it finds.",
                "schema": {"type": ["boolean", "null"], "default": True},
            },
            "fail_when_forbidden": {
                "label": "Red when forbidden",
                "description": "A backfill run fails when the key may not read a collection.",
                "schema": {"type": ["boolean", "null"], "default": False},
            },
            "keep_events_days": {
                "label": "Days to keep change events",
                "description": "In the warehouse; the lake keeps all. Empty means for ever.",
                "schema": {"type": ["integer", "null"], "exclusiveMinimum": 0},
            },
            "cadence": {
                "label": "Cadence of polling",
                "description": "Adaptive waits longer and longer while nothing happens.",
                "schema": {"type": ["string", "null"], "enum": ["fixed", "adaptive", None]},
            },
            "longest_poll_interval": {
                "label": "Longest poll interval",
                "description": "Seconds that adaptive goes up to. Empty means 300.",
                "schema": {"type": ["number", "null"], "exclusiveMinimum": 0},
            },
            "include_parents": {
                "label": "Parent collections to store",
                "description": "account, application_fee, payment_link, quote: kept if named here.",
                "schema": {"type": ["array", "null"], "items": {"type": "string"}},
            },
            "api_version": {
                "label": "API version",
                "description": "Every payload is stored in this version. Empty means our own pin.",
                "schema": {"type": ["string", "null"]},
            },
            "redact": {
                "label": "Redact secrets",
                "description": "Leave client secrets and the like out of what is stored.",
                "schema": {"type": ["boolean", "null"], "default": True},
            },
        },
    }


def _lake_connection() -> dict[str, Any]:
    return {
        "connection-type": "stripe_lake",
        "hook-class-name": "stripe_airflow.hooks.lake.StripeLakeHook",
        "hook-name": "Stripe lake",
        "ui-field-behaviour": {
            "hidden-fields": ["schema", "port", "login", "password"],
            "relabeling": {"host": "URL"},
            "placeholders": {"host": "s3://bucket/stripe or file:///data/lake"},
        },
    }
