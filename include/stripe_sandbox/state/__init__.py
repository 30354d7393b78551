"""The state of a running sandbox: clock, keys, accounts, faults and Stripe events."""
