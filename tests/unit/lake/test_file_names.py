"""Each name of a lake file is read back to what it was made of, for every collection."""

from __future__ import annotations

from uuid import uuid4

import pytest

from stripe_sync.catalog import load_catalog
from stripe_sync.lake import BackfillFile, Compactor, Lake, LakeReader, file_names
from stripe_sync.lake.file_names import MergedFile, StreamFile
from unit.lake.test_compaction import lake, names_of, rows

__all__ = ["lake"]

COLLECTIONS = [collection.name for collection in load_catalog().values()]


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_the_name_of_a_backfill_file_is_read_back(collection: str) -> None:
    for generation, chunk in ((1, 1), (999_999, 99_999_999), (1_000_000, 100_000_000)):
        file = BackfillFile(collection, generation, chunk, "0a1b2c3d")
        folder = f"bucket/lake/main/records/collection={collection}"
        assert file_names.parse(f"{folder}/{file.name}.parquet") == file


@pytest.mark.parametrize(
    "file", [StreamFile(1), StreamFile(2**63 - 1), StreamFile(7, 12), MergedFile(1_000_000)]
)
def test_other_names_are_read_back(file: StreamFile | MergedFile) -> None:
    assert file_names.parse(f"{file.name}.parquet") == file


@pytest.mark.parametrize(
    "name",
    [
        "of-somebody.parquet",
        "stream-1.parquet",
        "stream-00000000000000000001-1.parquet",
        "stream-00000000000000000001-x.parquet",
        "merged-one.parquet",
        "merged- 00001.parquet",
        "backfill-customer.parquet",
        "backfill-customer-1-1-0a1b2c3d.parquet",
        ".tmp-0a1b2c3d",
    ],
)
def test_names_that_were_not_made_here_are_unknown(name: str) -> None:
    assert file_names.parse(name) is None


def test_the_last_generation_of_every_collection_is_found() -> None:
    lake = Lake(f"memory://lake-{uuid4().hex}", "main")
    found = rows("id_1")
    expected = {}
    for number, collection in enumerate(COLLECTIONS, start=1):
        expected[collection] = number
        for generation in (number - 1, number):
            file = BackfillFile(collection, generation, 1, "0a1b2c3d")
            lake.write_chunk(file.name, found.records, [])
    assert LakeReader(lake).watermarks().generations == expected


@pytest.mark.parametrize("collection", ["customer", "checkout.session", "issuing.card"])
def test_the_files_of_every_kind_of_collection_are_merged(collection: str, lake: Lake) -> None:
    for chunk in range(1, 4):
        found = rows(f"id_{chunk}")
        lake.write_chunk(BackfillFile(collection, 1, chunk, "0a1b2c3d").name, found.records, [])
    compactor = Compactor(lake)
    [folder] = compactor.folders("customer")
    prepared = compactor.prepare(folder)
    assert prepared is not None
    assert prepared.install()
    assert names_of(folder) == [
        f"{BackfillFile(collection, 1, 3, '0a1b2c3d').name}.parquet",
        "merged-000001.parquet",
    ]
