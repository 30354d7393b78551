"""Refusals: what Stripe did not return while something was read, and why.

A refusal costs only its own source: a list, the objects of one parent, one expanded field. It is
recorded here, everything else is read, and the status of the collection names it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TypeVar

from stripe_sync.catalog import Catalog
from stripe_sync.errors import (
    EndpointUnavailable,
    InvalidRequest,
    NoProgress,
    NotFound,
    ObjectLocked,
    PermissionDenied,
    StripeError,
    StripeUnavailable,
    StripeUnreachable,
)
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.collection_status import IN_PART

Source = TypeVar("Source")
Found = TypeVar("Found")

REFUSED = (InvalidRequest, PermissionDenied, NotFound, EndpointUnavailable)
"""Answers that are final for one source. Errors of the key, the rate limit and the network are not
among them: they are the same for every source."""

NO_ANSWER = (StripeUnavailable, StripeUnreachable, ObjectLocked, NoProgress)
"""Errors after all retries that are either Stripe's for a while or this source's for good."""

ALL_FAILED = 3
"""Sources that fail together, and no other answers: the endpoint is down, not the sources."""

IN_A_ROW = 100
"""Objects for which the key is refused one after the other: it may read none of them."""

IN_A_ROW_LIVE = 3
"""The same while polling, where a request for each change would be lost otherwise."""

NAMES = 10
"""Refused objects that a message names."""

REASONS = 10
"""Refusals that a message names."""


class Lack(StrEnum):
    """What a refusal leaves out, the most first.

    Attributes:
        LIST: Everything that one of Stripe's lists returns, or the rest of it.
        OBJECTS: What belongs to single objects.
        FIELD: A field; the objects themselves are stored.
        TEST_CLOCKS: Objects of test clocks.
    """

    LIST = "list"
    OBJECTS = "objects"
    FIELD = "field"
    TEST_CLOCKS = "test clocks"


@dataclass(slots=True)
class Refusal:
    """Refusals of one source for one reason.

    Attributes:
        lack: What it leaves out.
        source: Path of the request, key of the partition or name of the field.
        kind: Class of the error.
        message: The first error.
        permission: ``rak_…`` permission that the key lacks, None where that is not the reason.
        count: How many single objects were refused.
        names: Ids of the first of them.
    """

    lack: Lack
    source: str
    kind: str
    message: str
    permission: str | None = None
    count: int = 0
    names: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What is missing and why, for a status."""
        if self.lack is Lack.TEST_CLOCKS:
            return f"without objects of test clocks: {self.message}"
        named = ", ".join(self.names)
        more = self.count - len(self.names)
        named += f" and {more} more" if more > 0 else ""
        if self.lack is Lack.FIELD:
            where = f" (of {named})" if named else ""
            return f"without the field {self.source}{where}: {self.message}"
        return f"without {self.source}{' of ' + named if named else ''}: {self.message}"


class Refusals:
    """Collects the refusals of one run.

    Args:
        final_only: Raise errors that may pass, for a caller that tries the same again soon. Else a
            source that fails while others answer is recorded as refused.

    Attributes:
        anything_read: Whether a partition was read to its end without a refusal, or Stripe answered
            for one of several objects.
    """

    def __init__(self, *, final_only: bool = False) -> None:
        self.final_only = final_only
        self.anything_read = False
        self._found: dict[tuple[str, str, str], Refusal] = {}
        self._in_a_row: dict[str, set[str]] = {}
        self._longest_row = IN_A_ROW_LIVE if final_only else IN_A_ROW

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, lack: Lack, source: str, error: StripeError, name: str | None = None) -> None:
        """Record a refusal.

        Args:
            lack: What it leaves out.
            source: Path of the request, key of the partition or name of the field.
            error: Why.
            name: Id of the single object that it is about, None where it is about all.
        """
        permission = getattr(error, "permission", None)
        kind, message = type(error).__name__, str(error)
        if permission:
            # The permission is all that Stripe's own words contain.
            message = message.partition(". Message from Stripe")[0]
        new = Refusal(lack, source, kind, message, permission)
        found = self._found.setdefault((lack, source, kind), new)
        if name is not None and name not in found.names:
            found.count += 1
            if len(found.names) < NAMES:
                found.names.append(name)

    def add_object(self, source: str, error: StripeError, name: str) -> None:
        """Record what one object lacks.

        Raises:
            PermissionDenied, EndpointUnavailable: So many were refused in a row that this is not
                about single objects.
        """
        self.add(Lack.OBJECTS, source, error, name)
        if not isinstance(error, PermissionDenied | EndpointUnavailable):
            return
        row = self._in_a_row.setdefault(source, set())
        row.add(name)
        if len(row) >= self._longest_row:
            raise error

    def answered(self, source: str) -> None:
        """Record that Stripe answered for one object."""
        self.anything_read = True
        self._in_a_row.pop(source, None)

    def lists(self) -> set[str]:
        """Keys of the refused lists."""
        return {each.source for each in self._found.values() if each.lack is Lack.LIST}

    def has(self, lack: Lack) -> bool:
        """Whether something of this kind is left out."""
        return any(each.lack is lack for each in self._found.values())

    @property
    def objects(self) -> int:
        """How many objects lack what belongs to them."""
        return sum(each.count for each in self._found.values() if each.lack is Lack.OBJECTS)

    @property
    def sources(self) -> set[str]:
        """Sources from which objects are left out."""
        return {each.source for each in self._found.values() if each.lack in _HIDING}

    @property
    def reasons(self) -> set[str]:
        """Names of the errors for which objects are left out."""
        return {each.kind for each in self._found.values() if each.lack in _HIDING}

    @property
    def permission(self) -> str | None:
        """The first missing permission, of what lacks most."""
        found = sorted(self._found.values(), key=_lacks_most)
        return next((each.permission for each in found if each.permission), None)

    @property
    def message(self) -> str | None:
        """What is missing, for the status of the collection; None where nothing is."""
        return in_part(self._found.values())

    def take(self) -> list[Refusal]:
        """The refusals so far; they are forgotten here."""
        found = list(self._found.values())
        self._found.clear()
        return found

    def dump(self) -> list[JsonObject]:
        """The refusals as JSON, for a stored cursor."""
        return [asdict(each) for each in self._found.values()]

    def load(self, stored: Iterable[JsonObject]) -> None:
        """Continue with the refusals of an interrupted run."""
        for each in stored:
            refusal = Refusal(**{**each, "lack": Lack(each["lack"])})
            self._found[refusal.lack, refusal.source, refusal.kind] = refusal


_HIDING = {Lack.LIST, Lack.OBJECTS}


def _lacks_most(refusal: Refusal) -> int:
    return list(Lack).index(refusal.lack)


def in_part(refusals: Iterable[Refusal]) -> str | None:
    """The message of a status: what is missing; None where nothing is."""
    texts = [each.text for each in sorted(refusals, key=_lacks_most)]
    more = len(texts) - REASONS
    texts[REASONS:] = [f"and {more} more"] if more > 0 else []
    return f"{IN_PART}: {'; '.join(texts)}" if texts else None


def by_collection(catalog: Catalog, refusals: Iterable[Refusal]) -> dict[str, list[Refusal]]:
    """Refusals by id of the collection that lacks something."""
    found: dict[str, list[Refusal]] = {}
    for refusal in refusals:
        for collection in catalog.values():
            if any(refusal.source.endswith(path) for path in collection.paths):
                found.setdefault(collection.id, []).append(refusal)
    return found


async def settle(work: Awaitable[Found], *errors: type[StripeError]) -> Found | StripeError:
    """The result, or the error if it is one of these."""
    try:
        return await work
    except errors as error:
        return error


async def read_each(
    read: Callable[[Source], Awaitable[Found]],
    sources: Sequence[Source],
    *,
    refusals: Refusals,
    check: Callable[[], Awaitable[None]],
) -> list[Found | StripeError]:
    """Read sources of which each is asked for by itself, so that one refusal costs only itself.

    Where Stripe fails or does not answer after all retries, it is asked again, once it answers
    anything at all.

    Args:
        read: Sends the requests of one source.
        sources: The sources, all through one endpoint.
        refusals: Whether errors that may pass are raised.
        check: Raises an error of ``NO_ANSWER`` while Stripe does not answer.

    Returns:
        The result of each source, or why it was refused.

    Raises:
        StripeError: An error that is not of a single source.
    """
    if refusals.final_only:
        return list(await asyncio.gather(*(settle(read(each), *REFUSED) for each in sources)))
    errors = (*REFUSED, *NO_ANSWER)
    found = list(await asyncio.gather(*(settle(read(each), *errors) for each in sources)))
    doubtful = [n for n, each in enumerate(found) if isinstance(each, NO_ANSWER)]
    if not doubtful:
        return found
    await check()
    again = await asyncio.gather(*(settle(read(sources[n]), *errors) for n in doubtful))
    for n, each in zip(doubtful, again, strict=True):
        found[n] = each
    failed = [each for each in found if isinstance(each, NO_ANSWER)]
    if len(failed) == len(found) >= ALL_FAILED:
        raise failed[0]
    return found
