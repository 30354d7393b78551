"""Provider metadata: what Airflow shows of this package without importing it."""

from __future__ import annotations

from typing import Any

_INTEGRATION = "Stripe"


def get_provider_info() -> dict[str, Any]:
    """Provider metadata, read by Airflow through the package's entry point."""
    from stripe_sync import __version__

    return {
        "package-name": "airflow-stripe-sync",
        "name": "Stripe sync",
        "description": (
            "Replicates a `Stripe <https://docs.stripe.com/api>`__ account into Parquet files and"
            " a PostgreSQL warehouse."
        ),
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://docs.stripe.com/api",
                "tags": ["service"],
            }
        ],
        "hooks": _modules("hooks.stripe", "hooks.lake"),
        "operators": _modules(
            "operators.approval",
            "operators.backfill",
            "operators.dbt",
            "operators.deliver",
            "operators.maintain",
            "operators.mutation",
            "operators.reconcile",
            "operators.reload",
        ),
        "sensors": _modules("sensors.stripe_events"),
        "triggers": _modules("triggers.consumers", "triggers.stripe_changes"),
        "connection-types": [_stripe_connection(), _lake_connection()],
        "extra-links": [
            "stripe_airflow.links.dashboard.StripeDashboardLink",
            "stripe_airflow.links.data_docs.DataDocsLink",
        ],
    }


def _modules(*names: str) -> list[dict[str, Any]]:
    modules = [f"stripe_airflow.{name}" for name in names]
    return [{"integration-name": _INTEGRATION, "python-modules": modules}]


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
                "description": "Account to act on (acct_…). Empty: the account of the key.",
                "schema": {"type": ["string", "null"], "pattern": "^acct_[A-Za-z0-9]+$"},
            },
            "mode": {
                "label": "Mode of the key",
                "description": "A key of the other mode is refused.",
                "schema": _choice("live", "test", empty="either"),
            },
            "proxy": {
                "label": "Proxy",
                "description": "http://user:password@host:port. Empty: that of HTTPS_PROXY.",
                "schema": {"type": ["string", "null"]},
            },
            "ca_bundle": {
                "label": "CA bundle",
                "description": "PEM file on every host. Empty: that of SSL_CERT_FILE.",
                "schema": {"type": ["string", "null"]},
            },
            "client_id": {
                "label": "Connect client id",
                "description": "Of a Connect platform: ca_…, of the mode of the key.",
                "schema": {"type": ["string", "null"], "pattern": "^ca_[A-Za-z0-9_]+$"},
            },
            "requests_per_second": {
                "label": "Requests per second",
                "description": "Maximum for backfills. Empty: 50 in live mode, 20 in test mode.",
                "schema": {"type": ["number", "null"], "exclusiveMinimum": 0},
            },
            "total_requests_per_second": {
                "label": "Requests per second, total",
                "description": "For accounts that Stripe allows more than 100 (25 in test mode).",
                "schema": {"type": ["number", "null"], "exclusiveMinimum": 0},
            },
            "endpoint_requests_per_second": {
                "label": "Requests per second, per endpoint",
                "description": "For accounts that Stripe allows more than 25.",
                "schema": {"type": ["number", "null"], "exclusiveMinimum": 0},
            },
            "max_age_days": {
                "label": "Maximum age in days",
                "description": "Backfill only objects created within this time. Empty: all.",
                "schema": {"type": ["integer", "null"], "exclusiveMinimum": 0},
            },
            "created_events": {
                "label": "Change events for existing objects",
                "description": "A backfill writes a 'created' change event for each new record.",
                "schema": {"type": ["boolean", "null"], "default": True},
            },
            "fail_when_forbidden": {
                "label": "Fail when forbidden",
                "description": "A backfill run fails when the key may not read a collection.",
                "schema": {"type": ["boolean", "null"], "default": False},
            },
            "keep_events_days": {
                "label": "Days to keep change events",
                "description": "In the warehouse; the lake keeps all. Empty: for ever.",
                "schema": {"type": ["integer", "null"], "exclusiveMinimum": 0},
            },
            "read_every_parent": {
                "label": "Ask for every customer",
                "description": "One request for each, not only where some are likely.",
                "schema": {"type": ["boolean", "null"], "default": False},
            },
            "cadence": {
                "label": "Poll cadence",
                "description": "adaptive polls less often while there are no Stripe events. "
                "Default: fixed, but adaptive for connected accounts, which share one read "
                "allotment: twice a second is 5,184,000 reads in 30 days for each, and Stripe "
                "allots 500 for each transaction, at least 10,000.",
                "schema": _choice("fixed", "adaptive", empty="default"),
            },
            "longest_poll_interval": {
                "label": "Longest poll interval",
                "description": "Maximum of the adaptive interval in seconds. Empty: 400.",
                "schema": {"type": ["number", "null"], "exclusiveMinimum": 0},
            },
            "lake_flush_seconds": {
                "label": "Seconds between lake files",
                "description": "Longest time from a change to the lake. Empty: 300.",
                "schema": {"type": ["number", "null"], "exclusiveMinimum": 0},
            },
            "connected_accounts": {
                "label": "Connected accounts to sync",
                "description": "Of a platform: ids (acct_…), or all. Each becomes a sync; new ones "
                "within 15 minutes.",
                "schema": {"type": ["array", "null"], "items": {"type": "string"}},
            },
            "include_parents": {
                "label": "Parent collections to store",
                "description": "Any of account, application_fee, payment_link, quote.",
                "schema": {"type": ["array", "null"], "items": {"type": "string"}},
            },
            "api_version": {
                "label": "API version",
                "description": "Version that payloads are requested in. Empty: the pinned version.",
                "schema": {"type": ["string", "null"]},
            },
            "redact": {
                "label": "Redact secrets",
                "description": "Do not store client secrets and similar fields.",
                "schema": {"type": ["boolean", "null"], "default": True},
            },
            "exclude": {
                "label": "Fields and collections never stored",
                "description": "customer.email, customer.address.*, *.metadata.ssn, tax_id.",
                "schema": {"type": ["array", "null"], "items": {"type": "string"}},
            },
            "hash_fields": {
                "label": "Fields to hash",
                "description": "customer.email: equal values have equal hashes.",
                "schema": {"type": ["array", "null"], "items": {"type": "string"}},
            },
            "approve_mutations": {
                "label": "Approve mutations",
                "description": "A person must approve what the form of stripe_mutate or the HTTP"
                " API is to write. Empty: only what the form writes in live mode.",
                "schema": {"type": ["boolean", "null"]},
            },
            "hash_secret": {
                "label": "Secret of the hashes",
                "description": "At least 16 characters. With another one all hashes differ.",
                "schema": {"type": ["string", "null"], "format": "password"},
            },
        },
    }


def _choice(*values: str, empty: str) -> dict[str, Any]:
    """A list to choose from, and what it shows where nothing is chosen, instead of ``null``."""
    display = {**{value: value for value in values}, "null": empty}
    return {"type": ["string", "null"], "enum": [*values, None], "values_display": display}


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
