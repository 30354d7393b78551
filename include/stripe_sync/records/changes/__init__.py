"""What a batch changes: the diff, old values, doubtful states."""
