"""From Stripe events to observations."""
