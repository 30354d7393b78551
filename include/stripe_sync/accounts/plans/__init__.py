"""Changes of syncs that are shown before they are made: replicate, and what a file declares."""
