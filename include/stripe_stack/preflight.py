"""What is looked at before anything is started."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping

import fsspec
import psycopg

from stripe_stack.errors import StackError
from stripe_stack.settings import Settings
from stripe_sync.catalog import PINNED_API_VERSION
from stripe_sync.client import Credential, NoRateLimit, Priority, RetryPolicy, StripeApi, Timeouts
from stripe_sync.errors import AuthenticationError, StripeSyncError


def check_ports(ports: Mapping[str, int]) -> None:
    """See that nothing listens on these ports of loopback.

    Args:
        ports: By the name of the setting that changes each.

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


def check_account(settings: Settings) -> str:
    """Ask Stripe for the account, and return its id.

    Raises:
        StackError: The key is refused, or Stripe cannot be reached.
    """
    try:
        credential = Credential(settings.api_key, settings.api_base, settings.stripe_account)
        return asyncio.run(_account(credential))
    except AuthenticationError as error:
        msg = f"Stripe refuses the key in STRIPE_API_KEY: {error}"
        raise StackError(msg) from error
    except StripeSyncError as error:
        msg = (
            f"Stripe cannot be asked at {settings.api_base}: {error}. "
            "See STRIPE_API_KEY and STRIPE_API_BASE."
        )
        raise StackError(msg) from error


async def _account(credential: Credential) -> str:
    retry = RetryPolicy(attempts=2, total=15, timeouts=Timeouts(connect=5, total=10))
    api = StripeApi(
        credential, api_version=PINNED_API_VERSION, rate_limiter=NoRateLimit(), retry=retry
    )
    async with api:
        return str((await api.get("/v1/account", priority=Priority.LIVE))["id"])


def check_warehouse(settings: Settings) -> None:
    """Connect to the warehouse, when it is not the embedded one.

    Raises:
        StackError: It cannot be reached or refuses.
    """
    if settings.warehouse_url is None:
        return
    try:
        psycopg.connect(settings.warehouse_url.get_secret_value(), connect_timeout=5).close()
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0]
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
