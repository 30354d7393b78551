"""Pages of Stripe objects, turned into observations of one shape."""
