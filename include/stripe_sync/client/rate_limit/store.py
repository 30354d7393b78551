"""The shared request budget in Postgres: one round trip at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from stripe_sync import libpq
from stripe_sync.client.rate_limit.limits import PacingLimits, Priority, RequestKind
from stripe_sync.clock import Clock, ServerClock
from stripe_sync.errors import WarehouseError

WHOLE_ACCOUNT = "*"

# A limit per second is spread over 1.05 seconds. The rest absorbs network jitter: as long as delays
# differ by less than 50 ms, no second at Stripe holds more requests than the limit.
_WINDOW = 1.05
# How far ahead each priority may reserve, in seconds. A live request waits for at most the
# backfill's reserved slots, and displaces all later ones when it needs the whole budget.
_HORIZON = {Priority.LIVE: 0.1, Priority.RENEWAL: 0.1, Priority.BACKFILL: 0.03}
_LEAD = 0.03
# Reservations in one round trip. Slots are times: with too many in one, the answer comes, and the
# last caller is reached, after its slot, which is then dropped and asked for again, by all.
_TOGETHER = 8

# Reserved requests are counted in the same transaction: Stripe allots reads by the month. All
# processes lock rows in the same order. Settings end with the transaction: through a pooler the
# session serves others too. What a crash of the server loses is older than the restart takes.
_RESERVE = """
SELECT r.server_now, r.slots, r.ask_again_in,
    stripe_sync.count_requests(q.account, q.endpoint, q.kind, r.slots)
FROM (SELECT set_config('synchronous_commit', 'off', true)) AS local,
    unnest(%(account)s::text[], %(endpoint)s::text[], %(backfill)s::boolean[],
    %(wanted)s::integer[], %(total)s::float8[], %(backfill_limit)s::float8[],
    %(per_endpoint)s::float8[], %(horizon)s::float8[], %(kind)s::text[]) WITH ORDINALITY
    AS q (account, endpoint, backfill, wanted, total, backfill_limit, per_endpoint, horizon, kind,
        place)
CROSS JOIN LATERAL stripe_sync.reserve_slots(q.account, q.endpoint, q.backfill, q.wanted, q.total,
    q.backfill_limit, q.per_endpoint, %(window)s, q.horizon, %(lead)s) AS r
ORDER BY q.place
"""
_CLOCK = "SELECT extract(epoch FROM clock_timestamp())::float8"
_SLOW = """
SELECT set_config('synchronous_commit', 'off', true), set_config('lock_timeout', '10s', true),
    stripe_sync.slow_pacing(%(account)s, %(scope)s)
"""
_MISSING = (psycopg.errors.UndefinedFunction, psycopg.errors.InvalidSchemaName)
_Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Reservation:
    """Reserved slots.

    Attributes:
        slots: Times of the local monotonic clock at which one request each may be sent, ascending.
        retry_after: Seconds after which more slots may be free.
    """

    slots: Sequence[float]
    retry_after: float


@dataclass(slots=True)
class _SlotRequest:
    """One request for slots, and a future for its reservation."""

    account_key: str
    endpoint: str
    priority: Priority
    wanted: int
    limits: PacingLimits
    kind: RequestKind
    reservation: asyncio.Future[Reservation] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def resolve(self, reservation: Reservation) -> None:
        if not self.reservation.done():
            self.reservation.set_result(reservation)

    def fail(self, error: Exception) -> None:
        if not self.reservation.done():
            self.reservation.set_exception(error)


def _columns(requests: Sequence[_SlotRequest]) -> dict[str, Any]:
    return {
        "account": [request.account_key for request in requests],
        "endpoint": [request.endpoint for request in requests],
        "backfill": [request.priority is not Priority.LIVE for request in requests],
        "wanted": [request.wanted for request in requests],
        "total": [request.limits.total for request in requests],
        "backfill_limit": [request.limits.backfill for request in requests],
        "per_endpoint": [request.limits.per_endpoint for request in requests],
        "horizon": [_HORIZON[request.priority] for request in requests],
        "kind": [request.kind for request in requests],
        "window": _WINDOW,
        "lead": _LEAD,
    }


class SharedBudget:
    """The budgets of all accounts over one connection, opened on demand and reopened when lost.

    Args:
        url: The warehouse, ``postgresql://…``.
        clock: Its monotonic clock is the time of slots.

    Attributes:
        server_clock: The clock of the database server.

    Raises:
        ConfigurationError: The URL is not one of PostgreSQL, or has a wrong parameter.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._arguments = libpq.connect_arguments(url)
        self._place = libpq.describe(self._arguments)
        self._clock = clock
        self.server_clock = ServerClock()
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._requests: list[_SlotRequest] = []
        self._reserving: asyncio.Task[None] | None = None

    async def read_clock(self) -> None:
        """Read the server's clock, which each reservation reads as well.

        Raises:
            WarehouseError: The warehouse cannot be reached.
        """
        async with self._one_at_a_time:
            [[server_now]], sent = await self._query(_CLOCK, {})
            received = self._clock.monotonic()
            self.server_clock.add(server_now, sent=sent, received=received)

    async def reserve(
        self,
        account_key: str,
        limits: PacingLimits,
        endpoint: str,
        priority: Priority,
        wanted: int,
        *,
        kind: RequestKind = RequestKind.POLL,
    ) -> Reservation:
        """Reserve up to ``wanted`` slots.

        Args:
            account_key: Account and mode; everybody with the same key shares one budget.
            limits: Requests per second; the same in all processes.
            endpoint: Method and path template.
            priority: Live requests are served first.
            wanted: Number of slots.
            kind: What the requests are counted as.

        Raises:
            WarehouseError: The budget cannot be reached.
        """
        request = _SlotRequest(account_key, endpoint, priority, wanted, limits, kind)
        self._requests.append(request)
        if self._reserving is None:
            self._reserving = asyncio.create_task(self._reserve_for_callers())
        return await request.reservation

    async def _reserve_for_callers(self) -> None:
        """Ask for several at once, in the order of the callers, as long as anybody waits.

        Many syncs thus need few round trips. The callers wait for their reservations only: taking
        turns among themselves, each would cost one more round of the event loop.
        """
        try:
            while self._requests:
                async with self._one_at_a_time:
                    await self._reserve_all()
        finally:
            self._reserving = None

    async def _reserve_all(self) -> None:
        waiting = [each for each in self._requests if not each.reservation.done()]
        requests, self._requests = waiting[:_TOGETHER], waiting[_TOGETHER:]
        if not requests:
            return
        requests.sort(key=lambda request: (request.account_key, request.endpoint))
        try:
            rows, sent = await self._query(_RESERVE, _columns(requests))
        except Exception as error:  # noqa: BLE001 - raised in all callers
            for request in requests:
                request.fail(error)
            return
        except BaseException:
            for request in requests:
                request.reservation.cancel()
            raise
        received = self._clock.monotonic()
        for request, (server_now, slots, retry_after, _) in zip(requests, rows, strict=True):
            self.server_clock.add(server_now, sent=sent, received=received)
            local = [self.server_clock.local(slot) for slot in slots]
            request.resolve(Reservation(local, retry_after))

    async def slow_down(self, account_key: str, scope: str) -> None:
        """Reduce the rate of an endpoint, or of ``WHOLE_ACCOUNT``, for all processes.

        Raises:
            WarehouseError: The budget cannot be reached.
        """
        async with self._one_at_a_time:
            await self._query(_SLOW, {"account": account_key, "scope": scope})

    async def aclose(self) -> None:
        """Stop reserving and close the connection."""
        if self._reserving is not None:
            self._reserving.cancel()
            await asyncio.wait([self._reserving])
        for request in self._requests:
            request.reservation.cancel()  # nobody reserves for them any more
        await self._close()

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _query(self, query: str, values: Mapping[str, Any]) -> tuple[list[_Row], float]:
        """The rows of the answer, and the local time when the query was sent.

        A broken connection is replaced once: the server may have been restarted.
        """
        used_before = self._connection is not None
        try:
            return await self._query_once(query, values)
        except psycopg.OperationalError as error:
            await self._close()
            if not used_before:
                raise self._unreachable(error) from error
        except psycopg.Error as error:
            raise self._unreachable(error) from error
        try:
            return await self._query_once(query, values)
        except psycopg.Error as error:
            await self._close()
            raise self._unreachable(error) from error

    async def _query_once(self, query: str, values: Mapping[str, Any]) -> tuple[list[_Row], float]:
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(
                **self._arguments, autocommit=True
            )
            ((pid,),) = await (await self._connection.execute(libpq.BACKEND_PID)).fetchall()
            libpq.keep_session(self._connection, pid)
        sent = self._clock.monotonic()
        cursor = await self._connection.execute(query, values)
        return await cursor.fetchall(), sent

    def _unreachable(self, error: psycopg.Error) -> WarehouseError:
        cause = " ".join(str(error).split())
        message = f"the request budget in the warehouse at {self._place} cannot be used: {cause}"
        if isinstance(error, _MISSING):
            message = f"{message}; run the warehouse's migrations"
        return WarehouseError(message)
