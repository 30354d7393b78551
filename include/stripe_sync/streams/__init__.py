"""Reads the record and the event stream: pages, iterators, waiting for what is new."""
