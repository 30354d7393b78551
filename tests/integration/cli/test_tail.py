"""``stripe-sync tail``: the event stream as text and as JSON."""

from __future__ import annotations

from typer.testing import CliRunner

from integration.streams.conftest import Streams
from stripe_sync.cli.app import app
from stripe_sync.records.canonical_json import loads


def tail(streams: Streams, *arguments: str, code: int = 0) -> str:
    everything = ["tail", "--warehouse-url", streams.url, "--from", "all", "--no-follow"]
    done = CliRunner().invoke(app, [*everything, *arguments])
    assert done.exit_code == code, done.output
    return done.output


def test_changes_have_old_and_new_values(streams: Streams) -> None:
    streams.customers(1, name="A", address={"city": "Oslo", "line1": "1"})
    streams.customers(1, name="B", address={"city": "Bergen", "line1": "1"}, when=1)
    streams.customers(1, collection="charge")
    created, updated, *changes = tail(streams, "--collection", "customer").splitlines()
    assert created.split()[2:] == ["created", "customer", "cus_1"]
    assert updated.split()[2:] == ["updated", "customer", "cus_1"]
    assert sorted(line.strip() for line in changes) == [
        'address.city: "Oslo" → "Bergen"',
        'name: "A" → "B"',
    ]


def test_a_terminal_carries_nothing_out(streams: Streams) -> None:
    streams.customers(1, metadata={"\x1b[2Jkey": "a"})
    streams.customers(1, metadata={"\x1b[2Jkey": "\u202eb\x9b1m"}, when=1)
    line = tail(streams).splitlines()[-1].strip()
    assert line == r'metadata.\x1b[2Jkey: "a" → "\u202eb\x9b1m"'


def test_json_lines_have_cursors_to_go_on_from(streams: Streams) -> None:
    streams.customers(1, 2)
    first, second = (loads(line) for line in tail(streams, "--json").splitlines())
    assert [first["upstream_id"], second["upstream_id"]] == ["cus_1", "cus_2"]
    rest = tail(streams, "--json", "--from", first["cursor"]).splitlines()
    assert [loads(line)["id"] for line in rest] == [second["id"]]


def test_an_error_is_one_line(streams: Streams) -> None:
    output = tail(streams, "--sync", "nowhere", code=1)
    assert output == "there is no sync 'nowhere'\n"
