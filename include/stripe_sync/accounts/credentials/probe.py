"""Probes a key: which collections it may read and write. Nothing is downloaded or changed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import uuid4

from stripe_sync.accounts.credentials.health import (
    Access,
    CollectionAccess,
    CredentialHealth,
    status_of,
)
from stripe_sync.accounts.credentials.probe_requests import ProbeRequest, ProbeRequests
from stripe_sync.catalog import STRIPE_EVENTS, Catalog, Collection
from stripe_sync.client import Credential, Priority, StripeApi
from stripe_sync.client.error_mapping import NO_SUCH_ACCOUNT
from stripe_sync.client.identity import Identity
from stripe_sync.clock import Clock, SystemClock
from stripe_sync.errors import (
    AuthenticationError,
    EndpointUnavailable,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    StripeError,
)

PROBE_SECONDS = 8.0
"""How long a probe takes at most; what Stripe did not answer by then is unknown."""

AT_A_TIME = 16
"""Requests in flight."""

# "Your account is not set up to use Issuing. Please visit … to get started."
_PRODUCT = re.compile(r"not (?:been )?(?:set up|enabled|activated|signed up|available|eligible)")
_RAK = "rak_"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one request showed.

    Attributes:
        access: YES, NO, UNAVAILABLE or UNKNOWN.
        permission: ``customer_read``, where Stripe named what is missing.
        account: ``acct_…``, where the answer named it.
        note: Why it is UNAVAILABLE or UNKNOWN.
    """

    access: Access
    permission: str | None = None
    account: str | None = None
    note: str = ""


async def probe(
    api: StripeApi,
    credential: Credential,
    catalog: Catalog,
    identity: Identity,
    *,
    api_version: str,
    clock: Clock | None = None,
    seconds: float = PROBE_SECONDS,
) -> CredentialHealth:
    """Find out what a key may read and write, with requests for objects that do not exist.

    Args:
        api: Sends and paces the requests.
        credential: The key.
        catalog: The collections.
        identity: Whose key it is, as far as that is known.
        api_version: The sync's Stripe-Version.
        clock: Gives the time of the result.
        seconds: How long to wait for all answers.

    Raises:
        AuthenticationError: Stripe refuses the key.
    """
    requests = ProbeRequests(catalog, api_version)
    plans = {each.id: (requests.reads(each), requests.writes(each)) for each in catalog.values()}
    reads = [request for plan in plans.values() for request in plan[0]]
    writes = [request for plan in plans.values() for request in plan[1]]
    wanted = dict.fromkeys((*reads, *writes))  # if time runs out, reading is known
    findings = await _send_all(api, wanted, seconds)
    judge = _Judge(findings, plans, restricted=credential.restricted)
    judge.learn(catalog)
    collections = tuple(judge.access(each) for each in catalog.values())
    named = (finding.account for finding in findings.values())
    account = identity.account or next((each for each in named if each), None)
    return CredentialHealth(
        status_of(collections),
        (clock or SystemClock()).now(),
        credential.livemode,
        account,
        identity.name,
        collections,
        tuple(_notes(collections, account)),
        api.stats.requests,
    )


async def _send_all(
    api: StripeApi, requests: Iterable[ProbeRequest], seconds: float
) -> dict[ProbeRequest, Finding]:
    slots = asyncio.Semaphore(AT_A_TIME)

    async def send(request: ProbeRequest) -> Finding:
        async with slots:
            return await _send(api, request)

    tasks = {request: asyncio.create_task(send(request)) for request in requests}
    try:
        await asyncio.wait(tasks.values(), timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        late = Finding(Access.UNKNOWN, note=f"Stripe did not answer within {seconds:g} s")
        return {request: task.result() if task.done() else late for request, task in tasks.items()}
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


async def _send(api: StripeApi, request: ProbeRequest) -> Finding:
    path_params, params = dict(request.path_params), dict(request.params)
    try:
        if request.method == "GET":
            await api.get(
                request.template,
                path_params,
                params,
                priority=Priority.LIVE,
                api_version=request.api_version,
            )
        else:
            await api.post(
                request.template,
                path_params,
                params,
                idempotency_key=f"stripe-sync-probe-{uuid4()}",
                api_version=request.api_version,
            )
    except AuthenticationError:
        raise
    except StripeError as error:
        return finding_of(error, request.template)
    return Finding(Access.YES)


def finding_of(error: StripeError, template: str) -> Finding:
    """What an error answer to a probe shows.

    Args:
        error: The answer.
        template: Path of the request.
    """
    access, note = _access_of(error, template), ""
    permission = getattr(error, "permission", None) if access is Access.NO else None
    if access in (Access.UNAVAILABLE, Access.UNKNOWN):
        note = _short(error)
    return Finding(access, permission and permission.removeprefix(_RAK), error.account, note)


def _short(error: StripeError) -> str:
    """The message; without Stripe's words where they add nothing."""
    text = str(error)
    return text if isinstance(error, InvalidRequest) else text.partition(". Message from Stripe")[0]


def _access_of(error: StripeError, template: str) -> Access:
    if isinstance(error, NotFound):
        return Access.YES
    if isinstance(error, PermissionDenied):
        # So Stripe answers for accounts that do not exist, once the permission is there.
        is_nobody = error.code == NO_SUCH_ACCOUNT and template.startswith("/v1/accounts/")
        return Access.YES if is_nobody else Access.NO
    if isinstance(error, EndpointUnavailable):
        return Access.UNAVAILABLE
    if isinstance(error, InvalidRequest):
        if _PRODUCT.search(str(error)):
            return Access.UNAVAILABLE
        if error.code:  # about the id or a parameter, which is read after the permission
            return Access.YES
    return Access.UNKNOWN


class _Judge:
    """Turns findings of requests into the access to collections."""

    def __init__(
        self,
        findings: Mapping[ProbeRequest, Finding],
        plans: Mapping[str, tuple[tuple[ProbeRequest, ...], tuple[ProbeRequest, ...]]],
        *,
        restricted: bool,
    ) -> None:
        self._findings = findings
        self._plans = plans
        self._restricted = restricted
        self._by_permission: dict[str, Finding] = {}

    def learn(self, catalog: Catalog) -> None:
        """Remember what was found for each write permission.

        Collections that only a creation or deletion could show share it with others.
        """
        for each in catalog.values():
            found = [self._findings[request] for request in self._plans[each.id][1]]
            if len(each.permissions.write) == len(found) == 1:
                self._by_permission.setdefault(each.permissions.write[0], found[0])

    def access(self, collection: Collection) -> CollectionAccess:
        reads, writes = self._plans[collection.id]
        read = [self._findings[request] for request in reads]
        write = self._written(collection, [self._findings[request] for request in writes])
        needed = collection.permissions
        readable = combined(read) if read else Access.UNAVAILABLE
        writable = combined(write) if write else Access.UNKNOWN
        if not collection.mutations.all:
            writable = Access.NOT_MUTABLE
        elif writable is Access.UNKNOWN and not write and not self._restricted:
            writable = Access.YES  # a secret key has every permission
        return CollectionAccess(
            collection.id,
            readable,
            writable,
            _missing(read, needed.read),
            _missing(write, needed.write),
            _note(read, write, collection, writable),
        )

    def _written(self, collection: Collection, found: list[Finding]) -> list[Finding]:
        if found:
            return found
        names = collection.permissions.write
        known = [self._by_permission[name] for name in names if name in self._by_permission]
        return known if len(known) == len(names) else []


def combined(findings: Iterable[Finding]) -> Access:
    """The access to a collection that needs several requests."""
    found = {finding.access for finding in findings}
    if Access.UNKNOWN in found:
        return Access.UNKNOWN
    if Access.NO in found:
        return Access.IN_PART if Access.YES in found else Access.NO
    return Access.YES if Access.YES in found else Access.UNAVAILABLE


def _note(
    read: list[Finding], write: list[Finding], collection: Collection, writable: Access
) -> str:
    notes = [each.note for each in (*read, *write) if each.note]
    if not read:
        notes.append(collection.permissions.note)
    if writable is Access.UNKNOWN and not write and collection.permissions.write:
        notes.append(f"Only creating one could show {' and '.join(collection.permissions.write)}.")
    return next(iter(notes), "")


def _missing(findings: list[Finding], needed: tuple[str, ...]) -> tuple[str, ...]:
    """Missing permissions by Stripe's names, else all that the catalogue names."""
    refused = [finding for finding in findings if finding.access is Access.NO]
    named = [finding.permission for finding in refused if finding.permission]
    return tuple(dict.fromkeys(named or needed)) if refused else ()


def _notes(collections: Iterable[CollectionAccess], account: str | None) -> Iterable[str]:
    if account is None:
        yield "Nothing that the key may read names its account; syncs compare objects instead."
    for each in collections:
        if each.collection == STRIPE_EVENTS and each.read is Access.NO:
            yield "Without event_read no change is noticed between two reconciles."
