"""Forms of pages: empty fields, and what is wrong with the others in words of a page."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError, model_validator
from starlette.datastructures import FormData

from stripe_sync import ConfigurationError

_MESSAGES = {
    "name": "the name of a sync has lower-case letters, digits, - and _, begins with a letter or"
    " digit, and is at most 100 characters long",
    "max_age_days": "the number of days is a whole number from 1 to 36,500",
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
    param = str(error.errors()[0]["loc"][0])
    return ConfigurationError(_MESSAGES.get(param, f"{param}: this value is invalid"), param=param)
