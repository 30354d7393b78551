"""Stripe Connect's OAuth for Standard accounts."""
