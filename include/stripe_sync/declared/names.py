"""Names that users give, compared with those that there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from stripe_sync.errors import ConfigurationError


def check_names(
    values: Mapping[str, object], known: Sequence[str], *, what: str, param: str | None
) -> None:
    """Refuse unknown names, with the most similar known name for each.

    Args:
        values: Values by name.
        known: The names that there are.
        what: What has these names, for the message.
        param: The parameter that has the values.

    Raises:
        ConfigurationError: At least one name is unknown.
    """
    problems = []
    for name in sorted(values.keys() - set(known)):
        similar = get_close_matches(name, known, n=1)
        hint = f" (did you mean {similar[0]!r}?)" if similar else ""
        problems.append(f"{name!r}{hint}")
    if problems:
        message = f"unknown {what}: {', '.join(problems)}; known are {', '.join(known)}"
        raise ConfigurationError(message, param=param)
