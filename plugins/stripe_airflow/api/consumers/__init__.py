"""Consumers over HTTP: their management, and the readers of pull consumers."""
