"""Errors of the stack."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot start or go on; the message is one line with the cause and the remedy."""
