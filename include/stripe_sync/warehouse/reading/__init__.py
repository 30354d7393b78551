"""Reading records and change events."""
