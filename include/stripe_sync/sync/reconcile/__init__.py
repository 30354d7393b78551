"""Reconcile: re-read collections, repair records, find deletions."""
