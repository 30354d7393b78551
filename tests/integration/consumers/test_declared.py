"""Consumers in a file: what is wrong is named by line and field, and applying twice is nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.streams.conftest import Streams
from stripe_sync import (
    ConfigurationError,
    apply_consumers,
    get_consumer,
    plan_consumers,
    read_consumer_file,
)

FILE = """\
consumers:
  - name: crm
    kind: pull
    filters:
      collection_id: [customer, plan]
    settings: {ack_wait_ms: 5000}
  - name: audit
    kind: pull
    stream: events
    metadata: {team: finance}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "consumers.yaml"
    path.write_text(FILE)
    return path


def test_a_file_is_applied_and_applied_again(streams: Streams, file: Path) -> None:
    done = list(apply_consumers(streams.url, read_consumer_file(file)))
    assert [(each.consumer, each.action) for each in done] == [
        ("crm", "create"),
        ("audit", "create"),
    ]
    assert get_consumer(streams.url, "crm").settings == {"ack_wait_ms": 5000}
    assert list(apply_consumers(streams.url, read_consumer_file(file))) == []
    file.write_text(FILE.replace("5000", "7000").replace("finance", "sales"))
    plans = plan_consumers(streams.url, read_consumer_file(file))
    assert [[change.field for change in each.changes] for each in plans] == [
        ["settings"],
        ["metadata"],
    ]
    assert len(list(apply_consumers(streams.url, read_consumer_file(file)))) == 2
    assert get_consumer(streams.url, "crm").settings == {"ack_wait_ms": 7000}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: pull", "kind: ftp", "line 3: consumers[0].kind"),
        ("ack_wait_ms", "ack_wait", "line 6: consumers[0].settings.ack_wait: there is no such"),
        ("customer, plan", "custmer", "line 5: consumers[0].filters.collection_id"),
        ("name: audit", "name: crm", "line 7: consumers[1].name: this consumer is declared twice"),
        ("metadata", "deliver_policy: 2026-11-01\n    metadata", "line 10: consumers[1].deliver"),
        ("metadata", "secret", "line 10: consumers[1].secret"),
        ("finance", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "this looks like a key"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(file: Path, old: str, new: str, message: str) -> None:
    file.write_text(FILE.replace(old, new, 1))
    with pytest.raises(ConfigurationError) as raised:
        read_consumer_file(file)
    assert message in str(raised.value)
    assert "whsec_" not in str(raised.value)


def test_kind_and_stream_never_change(streams: Streams, file: Path) -> None:
    list(apply_consumers(streams.url, read_consumer_file(file)))
    file.write_text(FILE.replace("stream: events", "stream: records"))
    with pytest.raises(ConfigurationError, match="audit has stream events, which never changes"):
        plan_consumers(streams.url, read_consumer_file(file))
