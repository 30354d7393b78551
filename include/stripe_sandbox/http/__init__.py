"""The Stripe API over HTTP."""
