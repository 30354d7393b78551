"""A client of the sandbox's control interface, for tests and demos."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any

import orjson


class SandboxControl:
    """Controls a running sandbox.

    Args:
        base_url: Its address, such as ``http://127.0.0.1:12111``.
        timeout: Seconds until a command fails.
    """

    def __init__(self, base_url: str, *, timeout: float = 120.0) -> None:
        self.base_url = base_url.rstrip("/")
        self._timeout = timeout

    def reset(self) -> None:
        """Reset everything: objects, Stripe events, keys, settings, counters."""
        self._call("POST", "reset", {})

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change settings (see ``stripe_sandbox.settings.Settings``). Returns all of them."""
        found: dict[str, Any] = self._call("PATCH", "settings", changes)
        return found

    def fault(self, kind: str, **details: Any) -> None:
        """Add a fault (see ``stripe_sandbox.settings.Fault``)."""
        faults = self.settings()["faults"]
        self.settings(faults=[*faults, {"kind": kind, **details}])

    def no_faults(self) -> None:
        """Remove all faults."""
        self.settings(faults=[])

    def seed(self, counts: Mapping[str, int], **details: Any) -> dict[str, int]:
        """Create objects. Returns their number per collection.

        Args:
            counts: Objects per collection.
            details: Fields of ``stripe_sandbox.seeds.bulk_seed.SeedPlan``, ``account`` and
                ``livemode``. Lengths of embedded lists are cycled through by the parent's number:
                ``children={"invoice": {"lines": [1, 25, 120]}}``.
        """
        made: dict[str, int] = self._call("POST", "seed", {"counts": dict(counts), **details})
        return made

    def demo(self, **target: Any) -> dict[str, int]:
        """Create the small shop of the demo."""
        made: dict[str, int] = self._call("POST", "demo", target)
        return made

    def platform(self, *, share: float = 1.0, **target: Any) -> dict[str, int]:
        """Create the objects of a big platform account, or a share of them."""
        made: dict[str, int] = self._call("POST", "platform", {"share": share, **target})
        return made

    def put(
        self,
        *objects: Mapping[str, Any],
        emit: bool = False,
        as_given: bool = True,
        **target: Any,
    ) -> None:
        """Store objects exactly as they are.

        Args:
            objects: Of any kinds; an object with a known id replaces the old one.
            emit: WriteContext the Stripe events of a creation or an update, too.
            as_given: Responses have all fields, also those that are absent until expanded.
            target: ``account`` and ``livemode``.
        """
        body = {"objects": list(objects), "emit": emit, "as_given": as_given, **target}
        self._call("POST", "put", body)

    def mutate(self, kind: str, object_id: str, changes: Mapping[str, Any], **target: Any) -> None:
        """Change top-level fields of an object without a Stripe event."""
        body = {"object": kind, "id": object_id, "changes": dict(changes), **target}
        self._call("POST", "mutate", body)

    def remove(self, kind: str, object_id: str, **target: Any) -> None:
        """Remove an object without a Stripe event."""
        self._call("POST", "mutate", {"object": kind, "id": object_id, "remove": True, **target})

    def append_events(
        self,
        events: Iterable[Mapping[str, Any]],
        *,
        after: float = 0.0,
        delivered: bool = True,
        **target: Any,
    ) -> None:
        """Append Stripe events as they are, visible after some seconds."""
        body = {"events": list(events), "after": after, "delivered": delivered, **target}
        self._call("POST", "events", body)

    def objects(
        self, kind: str, *, account: str | None = None, livemode: bool = False
    ) -> list[Any]:
        """All objects of a kind as stored, oldest first."""
        query = f"livemode={str(livemode).lower()}" + (f"&account={account}" if account else "")
        found: list[Any] = self._call("GET", f"objects/{kind}?{query}")
        return found

    def add_key(
        self,
        key: str,
        *,
        account: str | None = None,
        permissions: Iterable[str] | None = None,
        trouble: str | None = None,
    ) -> None:
        """Add an API key.

        Args:
            key: The key; its mode is in its name.
            account: The account that it is for; None for the first one.
            permissions: Such as ``rak_customer_read``; None for all.
            trouble: ``expired``, or ``address`` for a caller whose IP address is not allowed.
        """
        allowed = None if permissions is None else sorted(permissions)
        body = {"key": key, "permissions": allowed, "trouble": trouble, **_account(account)}
        self._call("POST", "keys", body)

    def remove_key(self, key: str) -> None:
        """Remove an API key."""
        self._call("POST", "keys/remove", {"key": key})

    def add_account(self, account: str, *, api_version: str | None = None) -> None:
        """Add a connected account, connect it again, or change its default version."""
        self._call("POST", "accounts", {"account": account, "api_version": api_version})

    def disconnect(self, account: str) -> None:
        """Let the owner of a connected account revoke the platform's access to it."""
        if not self._call("POST", "accounts/disconnect", {"account": account})["disconnected"]:
            message = f"{account} is no connected account"
            raise ControlError(message)

    def clock(
        self,
        *,
        advance: float | None = None,
        freeze: float | None = None,
        run: bool = False,
    ) -> float:
        """Move the clock by seconds, stop it at a second or restart it. Returns the time."""
        body = {"advance": advance, "freeze": freeze, "run": run}
        return float(self._call("POST", "clock", body)["now"])

    def stats(self, *, account: str | None = None, livemode: bool = False) -> dict[str, Any]:
        """Request counters and object counts of an account and mode."""
        query = f"livemode={str(livemode).lower()}" + (f"&account={account}" if account else "")
        found: dict[str, Any] = self._call("GET", f"stats?{query}")
        return found

    def reset_stats(self) -> None:
        """Reset the request counters."""
        self._call("POST", "stats/reset", {})

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the address is the caller's own sandbox
            f"{self.base_url}/_sandbox/{path}",
            method=method,
            data=None if body is None else orjson.dumps(body),
            headers={"content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:  # noqa: S310
                return orjson.loads(response.read())
        except urllib.error.HTTPError as error:
            message = f"{method} {path}: {error.code} {error.read().decode('utf-8', 'replace')}"
            raise ControlError(message) from None


class ControlError(Exception):
    """The sandbox refused a command."""


def _account(account: str | None) -> dict[str, str]:
    return {} if account is None else {"account": account}
