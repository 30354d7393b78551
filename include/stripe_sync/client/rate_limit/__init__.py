"""Request budgets: how many requests may leave, and which go first."""
