"""State of syncs, collections, polling, reconciles and the lake."""
