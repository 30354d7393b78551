"""The command line ``stripe-sync``."""
