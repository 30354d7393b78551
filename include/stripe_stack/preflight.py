"""Checks before the stack starts."""

from __future__ import annotations

import socket
from collections.abc import Mapping

import fsspec
import psycopg

import stripe_sync
from stripe_stack.errors import StackError
from stripe_stack.settings import Settings
from stripe_sync import libpq


def check_ports(ports: Mapping[str, int]) -> None:
    """Check that the loopback ports are free.

    Args:
        ports: By the name of their settings.

    Raises:
        StackError: One is in use.
    """
    for setting, port in ports.items():
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError as error:
                msg = (
                    f"Port {port} cannot be used ({error.strerror}): "
                    f"stop what uses it, or set {setting} to another port."
                )
                raise StackError(msg) from error


def check_account(settings: Settings) -> str | None:
    """Request the account from Stripe. Returns its id, None if the key may not read it.

    Raises:
        StackError: Stripe refuses the key or cannot be reached.
    """
    try:
        return stripe_sync.fetch_account_id(settings.credential)
    except stripe_sync.AuthenticationError as error:
        msg = f"Stripe refuses the key in STRIPE_API_KEY: {error}"
        raise StackError(msg) from error
    except stripe_sync.ConfigurationError as error:
        msg = f"The Stripe key cannot be used: {error}"
        raise StackError(msg) from error
    except stripe_sync.StripeSyncError as error:
        msg = (
            f"Stripe cannot be asked at {settings.api_base}: {error}. "
            "See STRIPE_API_KEY and STRIPE_API_BASE."
        )
        raise StackError(msg) from error


def check_warehouse(settings: Settings) -> None:
    """Connect to the warehouse, if it is not the embedded one.

    Raises:
        StackError: It cannot be reached, or refuses the connection.
    """
    if settings.warehouse_url is None:
        return
    try:
        url = settings.warehouse_url.get_secret_value()
        psycopg.connect(**libpq.connect_arguments(url)).close()
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        msg = (
            f"The warehouse in WAREHOUSE_URL cannot be used: {reason}. "
            "Start it, set WAREHOUSE_URL right, or leave it out for the embedded one."
        )
        raise StackError(msg) from error


def check_lake(settings: Settings) -> None:
    """Write and remove a file in the lake.

    Raises:
        StackError: It cannot be written.
    """
    try:
        filesystem, path = fsspec.core.url_to_fs(settings.lake)
        probe = f"{path.rstrip('/')}/.write_test"
        filesystem.makedirs(path, exist_ok=True)
        filesystem.pipe_file(probe, b"")
        filesystem.rm_file(probe)
    except (OSError, ValueError, ImportError) as error:
        msg = f"The lake at {settings.lake} cannot be written ({error}): set LAKE_URL to another."
        raise StackError(msg) from error
