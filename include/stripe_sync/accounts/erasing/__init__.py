"""Erasing: a customer, and what belongs to them, from warehouse and lake."""
