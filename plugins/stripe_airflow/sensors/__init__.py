"""The sensor that polls Stripe events."""
