"""Routes that write to Stripe: mutations, and the proxy."""
