"""What stops the stack from starting or going on."""

from __future__ import annotations


class StackError(Exception):
    """One line that names the cause and the remedy; the command line prints it and exits with 1."""
