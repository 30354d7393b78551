"""Names of the lake's files: each kind is made and parsed here, and nowhere else.

No name is given out twice. A backfill's file has the number of its generation and chunk and the
warehouse that wrote it, so that two warehouses never use the same name. A stream file has the
position at which its part begins. Merged files are numbered within their folder.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

SUFFIX = ".parquet"


@dataclass(frozen=True, slots=True, order=True)
class BackfillFile:
    """The rows of one chunk of a backfill.

    Attributes:
        collection: Short name of the collection that was read, ``checkout.session``; its chunks
            may have rows of other collections, too.
        generation: Number of the backfill of that collection, from 1.
        chunk: Number of the chunk in that generation, from 1.
        writer: The warehouse that wrote it, 8 hexadecimal digits.
    """

    collection: str
    generation: int
    chunk: int
    writer: str

    @property
    def name(self) -> str:
        """File name without extension."""
        return f"backfill-{self.collection}-{self.generation:06d}-{self.chunk:08d}-{self.writer}"


@dataclass(frozen=True, slots=True, order=True)
class StreamFile:
    """The rows of one part of the stream.

    Attributes:
        first: Stream position at which the part begins.
        number: Number among the files of that part, from 1: there are several where a process died
            before it stored the lake position.
    """

    first: int
    number: int = 1

    @property
    def name(self) -> str:
        """File name without extension."""
        name = f"stream-{self.first:020d}"
        return name if self.number == 1 else f"{name}-{self.number}"


@dataclass(frozen=True, slots=True, order=True)
class MergedFile:
    """Several small files of a folder, merged into one.

    Attributes:
        number: Number in its folder, from 1.
    """

    number: int

    @property
    def name(self) -> str:
        """File name without extension."""
        return f"merged-{self.number:06d}"


NamedFile = BackfillFile | StreamFile | MergedFile


def parse(path: str) -> NamedFile | None:
    """The file with this path; None for a file that was not named here.

    Args:
        path: Path or name of a Parquet file.
    """
    name = posixpath.basename(path).removesuffix(SUFFIX)
    kind, _, rest = name.partition("-")
    try:
        found = _parse(kind, rest)
    except ValueError:
        return None
    # Numbers have other spellings, too: only the name itself is a match.
    return found if found is not None and found.name == name else None


def _parse(kind: str, rest: str) -> NamedFile | None:
    if kind == "stream":
        first, _, number = rest.partition("-")
        return StreamFile(int(first), int(number or 1))
    if kind == "merged":
        return MergedFile(int(rest))
    if kind == "backfill":
        collection, generation, chunk, writer = rest.rsplit("-", 3)
        return BackfillFile(collection, int(generation), int(chunk), writer)
    return None
