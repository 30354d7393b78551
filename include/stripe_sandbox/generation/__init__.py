"""Generated objects: plausible, deterministic, and cheap to keep by the million."""
