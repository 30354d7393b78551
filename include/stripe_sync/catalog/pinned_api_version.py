"""The pinned Stripe-Version."""

from __future__ import annotations

PINNED_API_VERSION = "2026-10-28.endive"
"""The Stripe-Version of all payloads, unless a sync pins another."""
