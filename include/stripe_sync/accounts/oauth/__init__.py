"""Stripe Connect's OAuth: an account lets a platform act on it."""
