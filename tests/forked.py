"""Processes for tests that kill them, or run one thing many times at once."""

from __future__ import annotations

import multiprocessing

# Forked from one that has done these imports, so that starting a process takes no time. They are
# those of the modules whose functions run there, which the server itself does not find: it looks
# where packages are installed. Each call replaces the list, so there is one for all tests.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(
    [
        "pyarrow.dataset",
        "pyarrow.parquet",
        "pytest",
        "stripe_sandbox.server",
        "stripe_sync.consumers.pull.queue",
        "stripe_sync.mutations.mutator",
        "stripe_sync.sync.maintain",
        "stripe_sync.sync.poll.supervisor",
        "stripe_sync.sync.reload",
        "stripe_sync.use_cases",
    ]
)
