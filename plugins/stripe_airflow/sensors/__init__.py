"""Sensors: tasks that watch Stripe."""
