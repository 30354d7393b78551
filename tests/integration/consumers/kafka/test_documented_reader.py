"""The reader in docs/consumers/kafka.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from integration.consumers.kafka.conftest import SYNC, Topics, change
from kafka_mock import mock_cluster
from stripe_sync.consumers.sink import Checkpoint
from stripe_sync.streams.cursor import StreamCursor

PAGE = Path(__file__).parents[4] / "docs/consumers/kafka.md"


def test_the_documented_reader_drops_what_comes_twice() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(code.splitlines()) <= 30
    # Its groups begin in 3 seconds; those of the other broker in 20.
    with mock_cluster() as cluster:
        topics = Topics(cluster)
        cluster.create_topic(topics.name())
        beginning = Checkpoint(StreamCursor({SYNC: 0}))
        for seqs in ((1, 2), (1, 2, 3)):
            items = [change(seq, changes={"n": seq}) for seq in seqs]
            topics.deliver(items, beginning, stream="events")
        assert [message.seq for message in topics.read()] == [1, 2, 1, 2, 3]
        environment = {**os.environ, "KAFKA": cluster.servers, "TOPICS": topics.name()}
        reader = subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
        )
        try:
            assert reader.stdout is not None
            lines = [reader.stdout.readline() for _ in range(3)]
        finally:
            reader.kill()
            reader.wait()
    assert [line.rstrip().split(" ", 2)[2] for line in lines] == [
        "{'n': 1}",
        "{'n': 2}",
        "{'n': 3}",
    ]
