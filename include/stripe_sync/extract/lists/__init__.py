"""Whole lists, turned into records page by page."""
