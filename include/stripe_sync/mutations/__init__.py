"""Mutations: write to Stripe, and apply the result to the streams in the same call."""
