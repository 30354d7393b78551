"""Options of the form NAME=VALUE."""

from __future__ import annotations

from collections.abc import Sequence

from stripe_sync.errors import ConfigurationError


def pairs(option: str, texts: Sequence[str]) -> dict[str, str | None]:
    """Values by name; None for an empty value.

    Args:
        option: Name of the option, for messages.
        texts: What was given.

    Raises:
        ConfigurationError: A text has no ``=``.
    """
    found: dict[str, str | None] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            message = f"{option} takes NAME=VALUE"
            raise ConfigurationError(message)
        found[name] = value or None
    return found
