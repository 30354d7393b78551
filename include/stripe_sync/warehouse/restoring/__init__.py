"""The warehouse rebuilt from the lake."""
