"""Poll: read Stripe events twice a second and apply them."""
