"""Stripe's test cards: by token (``pm_card_visa``, ``tok_chargeDeclined``) and by last digits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stripe_sandbox.errors import ApiError, bad_request
from stripe_sandbox.generation.object_generator import blank_object
from stripe_sandbox.storage.stored_object import Doc, reference_id
from stripe_sandbox.writes.write_context import WriteContext

_PREFIXES = ("pm_card_", "tok_")
_PARAMS = ("payment_method", "default_payment_method")

_ACCEPTED = {
    "visa": ("visa", "4242"), "visa_debit": ("visa", "5556"), "mastercard": ("mastercard", "4444"),
    "mastercard_debit": ("mastercard", "3222"), "mastercard_prepaid": ("mastercard", "5100"),
    "amex": ("amex", "8431"), "discover": ("discover", "9424"), "diners": ("diners", "3237"),
    "jcb": ("jcb", "0505"), "unionpay": ("unionpay", "0005"),
}  # fmt: skip
_DECLINED = {
    "chargeDeclined": ("0002", "generic_decline"),
    "chargeDeclinedInsufficientFunds": ("9995", "insufficient_funds"),
    "chargeDeclinedLostCard": ("9987", "lost_card"),
    "chargeDeclinedStolenCard": ("9979", "stolen_card"),
    "chargeDeclinedFraudulent": ("0019", "fraudulent"),
    "chargeDeclinedExpiredCard": ("0069", "expired_card"),
    "chargeDeclinedIncorrectCvc": ("0127", "incorrect_cvc"),
    "chargeDeclinedProcessingError": ("0119", "processing_error"),
    "chargeDeclinedVelocityLimitExceeded": ("6975", "card_velocity_exceeded"),
    "chargeCustomerFail": ("0341", "generic_decline"),
}
_ATTACHABLE = "0341"
_CODES = {
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
}
"""Reasons that are error codes of their own."""
_MESSAGES = {
    "insufficient_funds": "Your card has insufficient funds.",
    "card_velocity_exceeded": (
        "Your card was declined for making repeated attempts too frequently or exceeding its "
        "amount limit."
    ),
}
_REASONS = dict(_DECLINED.values())


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a card is declined; ``reason`` is a code or a decline code of Stripe's."""

    reason: str

    @property
    def fields(self) -> Doc:
        """The fields of Stripe's error: code, decline code, message, type."""
        if self.reason in _CODES:
            fields = {"code": self.reason, "message": _CODES[self.reason], "type": "card_error"}
            if self.reason != "expired_card":
                return fields
            return {**fields, "param": "exp_month"}
        reason = "generic_decline" if self.reason == "card_declined" else self.reason
        message = _MESSAGES.get(reason, "Your card was declined.")
        code = "card_declined"
        return {"code": code, "decline_code": reason, "message": message, "type": "card_error"}

    def error(self, objects: Mapping[str, Doc] | None = None, **more: Any) -> ApiError:
        """The 402 of the decline.

        Args:
            objects: Whole objects in the error: the payment intent that failed.
            more: Further fields.
        """
        fields = self.fields
        own = {k: v for k, v in fields.items() if k == "decline_code"}
        return ApiError(
            402,
            str(fields["message"]),
            kind="card_error",
            code=str(fields["code"]),
            param=fields.get("param"),
            more={**own, **more},
            objects=dict(objects or {}),
        )


def decline_of(context: WriteContext, reference: Any) -> Decline | None:
    """Why a payment with a card, its token or a payment method fails; None if it succeeds."""
    if context.decline is not None:
        return Decline(context.decline)
    name = _name_of(reference)
    if name is not None:
        return Decline(_DECLINED[name][1]) if name in _DECLINED else None
    doc = context.mode.store.find(("payment_method", "card"), str(reference_id(reference))) or {}
    card = doc.get("card") or doc
    reason = _REASONS.get(str(card.get("last4")))
    return Decline(reason) if reason else None


def refuse_attachment(context: WriteContext, reference: Any) -> None:
    """Refuse to attach a card to a customer that is declined when it is checked.

    Raises:
        ApiError: 402.
    """
    name = _name_of(reference)
    doc = context.mode.store.find(("payment_method",), str(reference_id(reference))) or {}
    last4 = _DECLINED[name][0] if name in _DECLINED else (doc.get("card") or {}).get("last4")
    if last4 in _REASONS and last4 != _ATTACHABLE:
        raise Decline(_REASONS[str(last4)]).error()


def replace_tokens(context: WriteContext, given: dict[str, Any]) -> None:
    """Make payment methods of the test cards that parameters name.

    Raises:
        ApiError: 400, there is no such test card.
    """
    for param in _PARAMS:
        if str(given.get(param)).startswith("pm_card_"):
            given[param] = stored_payment_method(context, str(given[param]))


def stored_payment_method(context: WriteContext, token: str) -> str:
    """The id of a new payment method for a test card; the text itself if it names none.

    Raises:
        ApiError: 400, there is no such test card.
    """
    name = _name_of(token)
    if name is None:
        if token.startswith("pm_card_"):
            message = f"No such PaymentMethod: '{token}'"
            raise bad_request(message, code="resource_missing", param="payment_method")
        return token
    store, now = context.mode.store, context.now()
    doc = blank_object("payment_method", context.state.new_id("pm_"), now, store)
    doc["card"].update(card_fields(token))
    store["payment_method"].put(doc)
    return str(doc["id"])


def card_fields(token: str) -> Doc:
    """Brand and last digits of a test card; empty if the text names none."""
    name = _name_of(token)
    if name is None:
        return {}
    brand, last4 = _ACCEPTED.get(name) or ("visa", _DECLINED[name][0])
    return {"brand": brand, "last4": last4}


def _name_of(reference: Any) -> str | None:
    for prefix in _PREFIXES:
        if isinstance(reference, str) and reference.startswith(prefix):
            name = reference.removeprefix(prefix)
            return name if name in _ACCEPTED or name in _DECLINED else None
    return None
