"""Forms of pages: empty fields, and what is wrong with the others in words of a page."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError, model_validator
from pydantic_core import ErrorDetails
from starlette.datastructures import FormData

from stripe_sync import ConfigurationError

_MESSAGES = {
    "name": "the name of a sync has lower-case letters, digits, - and _, begins with a letter or"
    " digit, and is at most 100 characters long",
    "max_age_days": "the number of days is a whole number from 1 to 36,500",
    "rate_limit": "the number of requests a second is greater than 0; it may have a decimal point",
}


async def _sent(request: Request) -> FormData:
    return await request.form()


Sent = Annotated[FormData, Depends(_sent)]
"""A form as it was sent, for routes whose fields depend on the page."""


class PageForm(BaseModel):
    """The fields of a form; one that is empty was not filled in."""

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value != ""}


def in_words(error: ValidationError) -> ConfigurationError:
    """The first thing that is wrong with the body that a form was made into.

    Args:
        error: Of the body of a route of the HTTP API.
    """
    first = error.errors()[0]
    return ConfigurationError(message_of(first), param=_param(first))


def message_of(error: ErrorDetails) -> str:
    """One thing that is wrong with such a body."""
    param = _param(error)
    return _MESSAGES.get(param, f"{param}: this value is invalid")


def _param(error: ErrorDetails) -> str:
    return str(error["loc"][0])
