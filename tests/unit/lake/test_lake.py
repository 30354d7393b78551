from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import fsspec
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from stripe_sync.errors import LakeError
from stripe_sync.lake import Lake, LakeErasure, LakeReader
from stripe_sync.lake.schema import EVENTS, RECORDS
from stripe_sync.records import Observation, canonical_json
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.changes.diff import Changes, decide
from unit.records.changes.observations import NOON, batch, observation, stripe_event

DAY = timedelta(days=1)


def changes(observations: Sequence[Observation], now: datetime = NOON) -> Changes:
    return decide(batch(*observations), {}, (), now)


def write(
    lake: Lake,
    name: str,
    *observations: Observation,
    now: datetime = NOON,
    written: set[str] | None = None,
) -> Changes:
    rows = changes(observations, now)
    lake.write_chunk(name, rows.records, rows.events, written)
    return rows


@pytest.fixture(params=["local", "file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    place = f"/lake-{uuid4().hex}"
    yield {"local": str(tmp_path), "file": f"file://{tmp_path}", "memory": f"memory:/{place}"}[
        request.param
    ]
    if request.param == "memory":
        memory = fsspec.filesystem("memory")
        for path in memory.find(place):
            memory.rm_file(path)


@pytest.fixture
def lake(url: str) -> Lake:
    return Lake(url, "main")


def files(url: str) -> list[str]:
    system, root = fsspec.core.url_to_fs(url)
    return sorted(path.removeprefix(root).lstrip("/") for path in system.find(root))


def contents(url: str) -> dict[str, bytes]:
    system, root = fsspec.core.url_to_fs(url)
    return {path: system.cat_file(path) for path in system.find(root)}


def test_files_have_the_paths_of_the_contract(lake: Lake, url: str) -> None:
    write(
        lake,
        "chunk-1",
        observation(),
        observation(upstream_id="ch_1", collection_id="stripe:charge"),
    )
    assert files(url) == [
        "main/events/collection=charge/date=2026-03-01/chunk-1.parquet",
        "main/events/collection=customer/date=2026-03-01/chunk-1.parquet",
        "main/records/collection=charge/chunk-1.parquet",
        "main/records/collection=customer/chunk-1.parquet",
    ]


def test_rows_are_read_back_without_loss(lake: Lake) -> None:
    strange = {"nul": "a\x00b", "a.b": 2**63 - 1, "text": "ünï 漢字 🚀", "deep": [{"x": None}]}
    rows = write(
        lake,
        "chunk-1",
        observation(strange),
        observation({"n": 2}, when=1, stripe_event=stripe_event("evt_1", previous={"n": "\x00"})),
        observation(when=2, upstream_id="cus_2", deleted=True),
    )
    states = [row for part in lake.record_batches() for row in part.to_pylist()]
    events = [row for part in lake.event_batches() for row in part.to_pylist()]
    for row, record in zip(states, rows.records, strict=True):
        assert row.pop("payload").encode() == record.payload_json
        assert row.pop("created") is None
        for name, value in row.items():
            expected = getattr(record, name)
            assert value == (
                str(expected) if name in ("id", "sync_id", "resource_id") else expected
            )
    for row, event in zip(events, rows.events, strict=True):
        assert row.pop("data").encode() == event.data_json
        assert row["created_at"] == event.created_at
        assert row["event_type"] == event.event_type
        assert row["stripe_event_id"] == event.stripe_event_id
    assert [row["changes"] for row in events] == [None, r'{"n":"\u0000"}', None]


def test_a_retried_chunk_replaces_only_what_it_wrote_itself(lake: Lake, url: str) -> None:
    written: set[str] = set()
    write(lake, "chunk-1", observation(), observation(upstream_id="cus_2"), written=written)
    write(lake, "chunk-2", observation(upstream_id="cus_9"))
    again = observation(upstream_id="cus_3")
    write(lake, "chunk-1", again, now=NOON + DAY, written=written)
    assert files(url) == [
        "main/events/collection=customer/date=2026-03-01/chunk-2.parquet",
        "main/events/collection=customer/date=2026-03-02/chunk-1.parquet",
        "main/records/collection=customer/chunk-1.parquet",
        "main/records/collection=customer/chunk-2.parquet",
    ]
    assert sorted(lake.records("customer")["upstream_id"]) == ["cus_3", "cus_9"]


def test_another_writers_file_is_never_replaced(lake: Lake, url: str) -> None:
    write(lake, "chunk-1", observation(), observation(upstream_id="cus_2"))
    before = contents(url)
    written: set[str] = set()
    for _ in range(2):  # a retry does not take the file for its own
        with pytest.raises(LakeError, match=r"chunk-1\.parquet exists already"):
            write(Lake(url, "main"), "chunk-1", observation(upstream_id="cus_3"), written=written)
    assert contents(url) == before


def test_the_same_rows_may_be_written_twice(lake: Lake, url: str) -> None:
    """An object store's client repeats an upload whose answer was lost."""
    write(lake, "chunk-1", observation())
    before = contents(url)
    write(Lake(url, "main"), "chunk-1", observation())
    assert contents(url) == before


def test_of_two_writers_of_one_name_one_is_refused(lake: Lake, url: str) -> None:
    def attempt(number: int) -> bool:
        many = [observation(upstream_id=f"cus_{number}_{n}") for n in range(200)]
        try:
            write(Lake(url, "main"), f"chunk-{number // 4}", *many)
        except LakeError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(attempt, range(40)))
    assert [sum(done[n : n + 4]) for n in range(0, 40, 4)] == [1] * 10
    winners = {name.rpartition("_")[0] for name in lake.records()["upstream_id"]}
    assert winners == {f"cus_{number}" for number, won in enumerate(done) if won}


def test_events_of_two_days_are_in_two_folders(lake: Lake, url: str) -> None:
    first, second = (
        changes([observation()]),
        changes([observation(upstream_id="cus_2")], NOON + DAY),
    )
    lake.write_chunk("chunk-1", [*first.records, *second.records], [*first.events, *second.events])
    assert [path.split("/")[3] for path in files(url)[:2]] == ["date=2026-03-01", "date=2026-03-02"]
    assert list(lake.events()["upstream_id"]) == ["cus_1", "cus_2"]


def test_discarding_removes_one_chunk_of_one_collection(lake: Lake, url: str) -> None:
    write(
        lake,
        "chunk-1",
        observation(),
        observation(upstream_id="ch_1", collection_id="stripe:charge"),
    )
    write(lake, "chunk-2", observation(upstream_id="cus_2"))
    lake.discard("customer", "chunk-1")
    lake.discard("customer", "chunk-1")
    lake.discard("never_written", "chunk-1")
    left = [path for path in files(url) if "customer" in path]
    assert {path.rpartition("/")[2] for path in left} == {"chunk-2.parquet"}
    assert list(lake.records("charge")["upstream_id"]) == ["ch_1"]


def test_the_newest_version_of_a_record_is_read(lake: Lake) -> None:
    first = write(lake, "b", observation({"n": 1}), observation(upstream_id="cus_2"))
    newer = replace(first.records[0], updated_idx=2, payload_json=b'{"n":2}')
    lake.write_chunk("a", [newer], [])
    records = lake.records("customer").set_index("upstream_id")
    assert records.loc["cus_1", "payload"] == '{"n":2}'
    assert len(records) == 2


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"created": 1_700_000_000}, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (
            {"a": {"created": 5}, "created": 0, "z": [{"created": 7}]},
            datetime(1970, 1, 1, tzinfo=UTC),
        ),
        (
            {"a": '"created":5', "created": 253_402_300_799},
            datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
        ),
        ({"a": {"created": 5}}, None),
        ({"created": None}, None),
        ({"created": "yesterday"}, None),
        ({"created": "1700000000"}, None),
        ({"created": 1.5}, None),
        ({"created": -1}, None),
        ({"created": 10**20}, None),
        ({"created": [5]}, None),
        ({"half": "\ud800", "created": 60}, datetime(1970, 1, 1, 0, 1, tzinfo=UTC)),
        ({"half": "\ud800", "created": "60"}, None),
    ],
)
def test_created_is_a_column(lake: Lake, payload: JsonObject, expected: datetime | None) -> None:
    first = write(lake, "a", observation()).records[0]
    lake.write_chunk("b", [replace(first, payload_json=canonical_json.canonical(payload))], [])
    states = [row for part in lake.record_batches() for row in part.to_pylist()]
    assert [row["created"] for row in states] == [None, expected]


def test_files_without_created_are_read(tmp_path: Path) -> None:
    """As earlier versions wrote them."""
    lake = Lake(str(tmp_path), "main")
    write(lake, "a", observation({"created": 60}))
    [path] = (tmp_path / "main" / "records" / "collection=customer").iterdir()
    pq.write_table(pq.ParquetFile(path).read().drop_columns(["created"]), path)
    write(lake, "b", observation({"created": 60}, upstream_id="cus_2"))
    found = lake.records("customer").set_index("upstream_id")["created"]
    assert pd.isna(found["cus_1"])
    assert found["cus_2"] == pd.Timestamp(60, unit="s", tz="UTC")
    [[old], [new]] = LakeReader(lake).records("customer")
    assert (old.upstream_id, new.upstream_id) == ("cus_1", "cus_2")


def test_an_erasure_removes_created(lake: Lake) -> None:
    found = (observation({"created": 60}, upstream_id=f"cus_{number}") for number in (1, 2))
    write(lake, "a", *found)
    LakeErasure(lake).erase([("stripe:customer", "cus_1")], nullcontext)
    left = lake.records("customer").set_index("upstream_id")["created"]
    assert pd.isna(left["cus_1"])
    assert left["cus_2"] == pd.Timestamp(60, unit="s", tz="UTC")


def test_an_empty_lake_has_all_columns(lake: Lake) -> None:
    assert list(lake.records().columns) == RECORDS.names
    assert list(lake.events("customer").columns) == EVENTS.names
    assert lake.records().empty


def test_partitions_are_read_by_hive_readers(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), "main")
    write(
        lake,
        "chunk-1",
        observation(),
        observation(upstream_id="ch_1", collection_id="stripe:charge"),
    )
    events = ds.dataset(tmp_path / "main" / "events", partitioning="hive").to_table().to_pandas()
    assert set(events["collection"]) == {"charge", "customer"}
    assert set(events["date"]) == {"2026-03-01"}
    records = pd.read_parquet(
        tmp_path / "main" / "records", filters=[("collection", "==", "customer")]
    )
    assert list(records["upstream_id"]) == ["cus_1"]


def test_temporary_files_of_a_killed_writer_are_not_read(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), "main")
    write(lake, "chunk-1", observation())
    folder = tmp_path / "main" / "records" / "collection=customer"
    (folder / ".tmp-chunk-2").write_bytes(b"PAR1 half a file")
    assert list(lake.records()["upstream_id"]) == ["cus_1"]
    assert [path.name for path in folder.glob("*.parquet")] == ["chunk-1.parquet"]
    write(lake, "chunk-2", observation(upstream_id="cus_2"))
    assert sorted(lake.records()["upstream_id"]) == ["cus_1", "cus_2"]


def test_the_same_rows_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(
            Lake(str(tmp_path / name), "main"),
            "chunk-1",
            observation({"n": 1}),
            observation({"n": 2}, when=1),
        )
    first, second = (sorted((tmp_path / name).rglob("*.parquet")) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_an_error_names_the_folder_that_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(LakeError, match=f"cannot write the lake at {blocked}/main"):
        write(Lake(str(blocked), "main"), "chunk-1", observation())


def test_an_error_names_the_broken_file(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), "main")
    write(lake, "chunk-1", observation())
    (tmp_path / "main" / "records" / "collection=customer" / "chunk-1.parquet").write_bytes(b"x")
    with pytest.raises(LakeError, match=r"cannot read the lake at .*chunk-1\.parquet"):
        lake.records()


@pytest.mark.parametrize("url", ["nonsense://bucket/path", "gs://bucket/path"])
def test_an_error_names_the_missing_driver(url: str) -> None:
    with pytest.raises(LakeError, match=url.partition("/")[0]):
        Lake(url, "main")
