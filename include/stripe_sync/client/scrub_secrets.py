"""Keeps API keys out of messages."""

from __future__ import annotations

import re

# Whole or partly masked, as Stripe quotes it: sk_test_****1234. The beginning of every key alone
# (sk_test_) is no secret: our messages name it.
_SECRET = re.compile(r"\b(sk|rk|pk|whsec)_(?!(?:live|test)_(?![A-Za-z0-9_*]))[A-Za-z0-9_*]+")

_KEY = re.compile(r"\b(?:(?:sk|rk|pk|ek)_(?:live|test|org)|whsec_)", re.IGNORECASE)


def has_key(text: str) -> bool:
    """Whether a text has something that looks like an API key or a webhook secret."""
    return _KEY.search(text) is not None


def scrubbed(text: str) -> str:
    """The text without anything that looks like an API key or part of one."""
    return _SECRET.sub(r"\1_…", text)
