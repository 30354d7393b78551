"""First and last tasks of the DAGs: plan a run, summarize it."""
