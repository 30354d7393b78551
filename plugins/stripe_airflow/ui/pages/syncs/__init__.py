"""The pages of syncs: all of them, and one."""
