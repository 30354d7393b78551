"""What is wrong with a form, in words of a page."""

from __future__ import annotations

from pydantic import ValidationError

from stripe_sync import ConfigurationError

_MESSAGES = {
    "name": "the name of a sync has lower-case letters, digits, - and _, begins with a letter or"
    " digit, and is at most 100 characters long",
    "max_age_days": "the number of days is a whole number from 1 to 36,500",
}


def in_words(error: ValidationError) -> ConfigurationError:
    """The first thing that is wrong with the body that a form was made into.

    Args:
        error: Of the body of a route of the HTTP API.
    """
    param = str(error.errors()[0]["loc"][0])
    return ConfigurationError(_MESSAGES.get(param, f"{param}: this value is invalid"), param=param)
