"""The table of what the sandbox offers: resources, nested lists, and the SDK's field types."""
