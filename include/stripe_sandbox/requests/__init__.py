"""What a request is checked against: routes, parameters, rate limits, idempotency keys."""
