"""A local, stateful Stripe: for the demo, the tests and the benchmarks."""
