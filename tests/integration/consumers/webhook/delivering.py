"""Delivers to a webhook in a process of its own, so that a test can kill it."""

from __future__ import annotations

from multiprocessing.process import BaseProcess

from forked import processes
from integration.consumers.webhook.receiver import SECRET
from stripe_sync.consumers.sink import TargetConnection
from stripe_sync.consumers.supervisor import deliver

CONNECTION = "hook"


def find_connection(conn_id: str) -> TargetConnection:
    return TargetConnection(conn_id, "http", password=SECRET)


def start(warehouse_url: str) -> BaseProcess:
    """A process that delivers until it is killed."""
    process = processes.Process(target=deliver, args=(warehouse_url, find_connection))
    process.start()
    return process
