"""Records and change events read back."""
