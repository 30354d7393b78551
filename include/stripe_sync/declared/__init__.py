"""What users declare in files: reading them, and the differences to what is stored."""
