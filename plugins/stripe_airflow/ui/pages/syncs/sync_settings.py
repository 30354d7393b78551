"""The form of those settings of a sync that people change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from pydantic import ValidationError
from starlette.datastructures import FormData

from stripe_airflow.api.models import SyncUpdate
from stripe_airflow.ui.forms import message_of
from stripe_sync import SyncInfo, SyncSettings

_DEFAULT_INTERVAL = SyncSettings().longest_poll_interval
_FIELDS = {
    "rate_limit": "rate",
    "rate_limit.allowed_requests": "rate",
    "total_requests_per_second": "rate",
    "requests_per_second": "rate",
    "max_age_days": "max_age_days",
    "sync_frequency": "frequency",
    "cadence": "frequency",
    "longest_poll_interval": "frequency",
    "collection_ids": "collections",
    "collections": "collections",
}
"""Fields of the form by the parameters that errors name."""

_INVALID = "Input should"
"""Begins the words of pydantic, which are for programs."""

_MESSAGES = {
    "rate": "a number above 0, at most 1,000,000",
    "max_age_days": "a whole number of days, from 1 to 36,500",
    "frequency": "one of the choices",
}
"""What a field takes, where a value is invalid."""

_FREQUENCIES = (
    ("", "as its connection has it"),
    ("500", "twice a second, always"),
    ("10000", "at least every 10 seconds"),
    ("60000", "at least every minute"),
    ("300000", "at least every 5 minutes"),
    ("900000", "at least every 15 minutes"),
    ("3600000", "at least every hour"),
)


_WAS = "was:"
"""Begin of the names of hidden fields, which have what the form showed."""


@dataclass(frozen=True, slots=True)
class SettingsForm:
    """What the form shows, and what a person has put into it.

    Attributes:
        rate: Requests a second; empty for no setting.
        frequency: Longest time between two polls in milliseconds; empty for no setting.
        max_age_days: Age of the oldest objects of a backfill; empty for no setting.
        collections: ``all`` or ``some``.
        collection_ids: The collections, if some.
        was: What the form showed before the person changed it, by field.
        errors: What is wrong, by field; under the empty name what concerns no field.
    """

    rate: str
    frequency: str
    max_age_days: str
    collections: str
    collection_ids: Sequence[str]
    was: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, sync: SyncInfo) -> Self:
        """The form with what is stored."""
        stored = sync.settings
        form = cls(
            rate=_text(stored.get("total_requests_per_second")),
            frequency=_frequency(stored),
            max_age_days=_text(stored.get("max_age_days")),
            collections="all" if sync.collection_ids is None else "some",
            collection_ids=sync.collection_ids or (),
        )
        return replace(form, was=form._values())

    @classmethod
    def sent(cls, form: FormData) -> Self:
        """The form as a person has sent it."""

        def text(name: str) -> str:
            return str(form.get(name) or "").strip()

        return cls(
            rate=text("rate"),
            frequency=text("frequency"),
            max_age_days=text("max_age_days"),
            collections=text("collections"),
            collection_ids=tuple(str(each) for each in form.getlist("collection_ids")),
            was={
                name.removeprefix(_WAS): str(value)
                for name, value in form.items()
                if name.startswith(_WAS)
            },
        )

    @property
    def frequencies(self) -> Sequence[tuple[str, str]]:
        """The choices of ``frequency`` with their texts; the stored one is among them."""
        known = {value for value, _ in _FREQUENCIES}
        if self.frequency in known:
            return _FREQUENCIES
        return (*_FREQUENCIES, (self.frequency, f"at least every {self.frequency} ms"))

    def changes(self, sync: SyncInfo) -> SyncUpdate:
        """What is to be changed of the sync: what the person has changed in the form.

        The rest stays as it is stored, which others may have changed since.

        Raises:
            ValidationError: A value is invalid.
        """
        was = {**SettingsForm.of(sync).was, **self.was}
        changed = {name for name, value in self._values().items() if value != was[name]}
        body: dict[str, Any] = {}
        if "rate" in changed:
            rate = _number(self.rate)
            body["rate_limit"] = None if rate is None else {"allowed_requests": rate}
        if "frequency" in changed:
            body["sync_frequency"] = _number(self.frequency)
        if "max_age_days" in changed:
            body["max_age_days"] = _number(self.max_age_days)
        if "collections" in changed:
            body["collection_ids"] = self._chosen()
        return SyncUpdate.model_validate(body)

    def with_error(self, message: str, param: str | None = None) -> Self:
        """The form with a message beside the field that it is about."""
        name = _FIELDS.get((param or "").removeprefix("settings."), "")
        if _INVALID in message:
            message = _MESSAGES.get(name, message)
        return replace(self, errors={name: message})

    def with_errors(self, error: ValidationError) -> Self:
        """The form with messages beside the fields that they are about."""
        errors = {}
        for each in error.errors():
            name = _FIELDS.get(str(each["loc"][0]), "")
            errors[name] = _MESSAGES.get(name) or message_of(each)
        return replace(self, errors=errors)

    @property
    def has_no_collection(self) -> bool:
        """Whether some collections were to be chosen, and none was."""
        return self.collections == "some" and not self.collection_ids

    def _values(self) -> dict[str, str]:
        chosen = self._chosen()
        return {
            "rate": self.rate,
            "frequency": self.frequency,
            "max_age_days": self.max_age_days,
            "collections": "all" if chosen is None else " ".join(chosen),
        }

    def _chosen(self) -> list[str] | None:
        return sorted(set(self.collection_ids)) if self.collections == "some" else None


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else ""


def _frequency(stored: Mapping[str, Any]) -> str:
    if stored.get("cadence") == "fixed":
        return "500"
    longest = stored.get("longest_poll_interval")
    if longest is None and stored.get("cadence") == "adaptive":
        longest = _DEFAULT_INTERVAL
    return "" if longest is None else f"{longest * 1000:.0f}"


def _number(text: str) -> float | int | str | None:
    """A number of a field; what is none stays a text, which the model refuses."""
    if not text:
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
