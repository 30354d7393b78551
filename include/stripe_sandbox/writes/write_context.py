"""The request that a write belongs to."""

from __future__ import annotations

from dataclasses import dataclass

from stripe_sandbox.state.sandbox_state import Mode, State
from stripe_sandbox.storage.stored_object import Doc, reference_id

_OF_CONNECTED_ACCOUNTS = ("account.external_account.", "capability.", "person.")
"""Event types whose Stripe events name the connected account."""


@dataclass(frozen=True, slots=True)
class WriteContext:
    """The account that a request writes to, and how its Stripe events name the request.

    Attributes:
        decline: Why a fault declines the card of this request; None where none does.
    """

    state: State
    mode: Mode
    request_id: str | None = None
    idempotency_key: str | None = None
    decline: str | None = None

    def log(self, kind: str, doc: Doc, old: Doc | None = None) -> None:
        """Write a Stripe event with the default view of an object."""
        account = doc.get("account") if kind.startswith(_OF_CONNECTED_ACCOUNTS) else None
        self.mode.log.write(
            kind,
            doc,
            old=old,
            request_id=self.request_id,
            idempotency_key=self.idempotency_key,
            account=reference_id(account),
        )

    def now(self) -> int:
        """The creation second of new objects."""
        return int(self.state.clock.now())
