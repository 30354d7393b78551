"""Creations, updates, deletions and actions, with the Stripe events that they cause."""
