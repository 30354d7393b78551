"""Control tables: syncs, collections, polls, gaps, reconciles."""
