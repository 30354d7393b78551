"""Rows of consumers: what they are, how far they have got, what they were not delivered."""
