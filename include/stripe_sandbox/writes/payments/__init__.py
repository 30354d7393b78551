"""Payments: Stripe's test cards, and what an attempt to charge one makes."""
