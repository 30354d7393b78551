"""Commands about accounts, credentials and syncs."""
