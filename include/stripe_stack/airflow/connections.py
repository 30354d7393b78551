"""The connections in Airflow's database: what the settings say is written there when it changed.

What people edit in Airflow's UI stays, until the same setting is changed here.
"""

from __future__ import annotations

import hashlib
import hmac
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stripe_stack import ROOT
from stripe_stack.errors import StackError
from stripe_stack.settings import Settings
from stripe_stack.variables import CREDENTIAL_EXTRAS
from stripe_sync import libpq
from stripe_sync.records import canonical_json

Fields = dict[str, Any]
"""Values by field, ``extra.account`` for an extra; None removes a value."""


def stack_connections(settings: Settings, sync: str, warehouse_url: str) -> dict[str, Fields]:
    """The connections that the settings describe, by id.

    Args:
        settings: The settings.
        sync: Name of the sync that the Stripe key is for.
        warehouse_url: The warehouse.
    """
    warehouse: dict[str, str] = dict(libpq.connection_parameters(warehouse_url))
    extras: Fields = dict(settings.connection_extras)
    if settings.uses_sandbox:
        extras = {key: text for key, text in extras.items() if key not in CREDENTIAL_EXTRAS}
    elif settings.stripe_account:
        extras["account"] = settings.stripe_account
    return {
        f"stripe_{sync}": {
            "conn_type": "stripe",
            "password": settings.api_key,
            "host": settings.api_base,
            **_extras(extras),
        },
        "stripe_warehouse": {
            "conn_type": "postgres",
            "host": warehouse.pop("host", None),
            "port": int(warehouse.pop("port", None) or 5432),
            "login": warehouse.pop("user", None),
            "password": warehouse.pop("password", None),
            "schema": warehouse.pop("dbname", None),
            **_extras(warehouse),
        },
        "stripe_lake": {"conn_type": "stripe_lake", "host": settings.lake},
    }


def store_connections(
    wanted: Mapping[str, Fields], home: Path, key: str, environment: Mapping[str, str]
) -> list[str]:
    """Write to Airflow's database what changed since the last call.

    Args:
        wanted: The connections, from :func:`stack_connections`.
        home: Folder of the file that remembers what was written, as keyed hashes.
        key: Secret of the hashes.
        environment: Environment of Airflow's processes.

    Returns:
        Sentences for the user: which stored connections Airflow does not use.

    Raises:
        StackError: Airflow's database cannot be written.
    """
    marker = home / "connections.json"
    known = _read(marker)
    hashes = {
        conn_id: {name: _hash(value, key) for name, value in fields.items()}
        for conn_id, fields in wanted.items()
    }
    changes = {
        conn_id: changed
        for conn_id, fields in wanted.items()
        if (changed := _changed(fields, hashes[conn_id], known.get(conn_id)))
    }
    if not changes:
        return []
    done = subprocess.run(
        [sys.executable, "-m", "stripe_airflow.hooks.stored_connections"],
        input=canonical_json.dumps(changes),
        env=dict(environment),
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        msg = f"The connections cannot be stored in Airflow's database: {' '.join(reason)}"
        raise StackError(msg)
    new = marker.with_suffix(".new")
    new.write_bytes(canonical_json.dumps({**known, **hashes}))
    new.replace(marker)  # half a file would make all settings look changed
    # Airflow writes its log to the same place.
    lines = done.stdout.decode().splitlines()
    return [line for line in lines if line.partition(":")[0] in wanted]


def _extras(values: Mapping[str, Any]) -> Fields:
    return {f"extra.{name}": value for name, value in values.items()}


def _changed(fields: Fields, hashes: Mapping[str, str], known: Mapping[str, str] | None) -> Fields:
    """The fields to write: all of a new connection, else those that changed or are gone."""
    if known is None:
        return fields
    changed = {name: value for name, value in fields.items() if hashes[name] != known.get(name)}
    gone = dict.fromkeys(name for name in known if name not in fields)
    return {"conn_type": fields["conn_type"], **changed, **gone} if changed or gone else {}


def _hash(value: object, key: str) -> str:
    return hmac.new(key.encode(), canonical_json.dumps(value), hashlib.sha256).hexdigest()


def _read(marker: Path) -> dict[str, dict[str, str]]:
    try:
        return dict(canonical_json.loads(marker.read_bytes()))
    except (OSError, ValueError):
        return {}
