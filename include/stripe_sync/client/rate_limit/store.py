"""The shared request budget in Postgres: one question and one answer at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from stripe_sync.client.rate_limit.limits import PacingLimits, Priority
from stripe_sync.clock import Clock
from stripe_sync.errors import ConfigurationError, WarehouseError

WHOLE_ACCOUNT = "*"

# What a limit allows in a second is let go in a little more. The rest absorbs how unevenly requests
# reach Stripe: no one-second window holds more than the limit as long as delays differ by less.
_WINDOW = 1.05
# How far ahead each lane may reserve, in seconds. Live requests never wait for more of the backfill
# than what it holds ahead, and displace all of it when they need the whole budget.
_HORIZON = {Priority.LIVE: 0.1, Priority.BACKFILL: 0.03}
_LEAD = 0.03

# Granted reads are counted in the same transaction: Stripe allots them by the month. The order of
# the rows is that in which their locks are taken, the same in all processes.
_RESERVE = """
SELECT r.server_now, r.slots, r.ask_again_in,
    stripe_sync.count_reads(q.account, q.endpoint, r.slots)
FROM unnest(%(account)s::text[], %(endpoint)s::text[], %(backfill)s::boolean[],
    %(wanted)s::integer[], %(total)s::float8[], %(backfill_limit)s::float8[],
    %(per_endpoint)s::float8[], %(horizon)s::float8[]) WITH ORDINALITY
    AS q (account, endpoint, backfill, wanted, total, backfill_limit, per_endpoint, horizon, place)
CROSS JOIN LATERAL stripe_sync.reserve_slots(q.account, q.endpoint, q.backfill, q.wanted, q.total,
    q.backfill_limit, q.per_endpoint, %(window)s, q.horizon, %(lead)s) AS r
ORDER BY q.place
"""
_SLOW = "SELECT stripe_sync.slow_pacing(%(account)s, %(scope)s)"
_MISSING = (psycopg.errors.UndefinedFunction, psycopg.errors.InvalidSchemaName)
_CONNECT_SECONDS = 10
_Row = tuple[Any, ...]
_SETTINGS = "SET synchronous_commit = off; SET statement_timeout = '10s'"


@dataclass(frozen=True, slots=True)
class Reservation:
    """What the budget gives.

    Attributes:
        slots: Times on the local monotonic counter at which one request each may leave, ascending.
        ask_again_in: Seconds after which asking for more makes sense.
    """

    slots: Sequence[float]
    ask_again_in: float


@dataclass(slots=True)
class _Question:
    """Who asks for slots, and the answer once it is there."""

    account_key: str
    endpoint: str
    priority: Priority
    wanted: int
    limits: PacingLimits
    answer: asyncio.Future[Reservation] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def give(self, grant: Reservation) -> None:
        if not self.answer.done():
            self.answer.set_result(grant)

    def fail(self, error: WarehouseError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


def _columns(questions: Sequence[_Question]) -> dict[str, Any]:
    return {
        "account": [question.account_key for question in questions],
        "endpoint": [question.endpoint for question in questions],
        "backfill": [question.priority is Priority.BACKFILL for question in questions],
        "wanted": [question.wanted for question in questions],
        "total": [question.limits.total for question in questions],
        "backfill_limit": [question.limits.backfill for question in questions],
        "per_endpoint": [question.limits.per_endpoint for question in questions],
        "horizon": [_HORIZON[question.priority] for question in questions],
        "window": _WINDOW,
        "lead": _LEAD,
    }


class ServerClock:
    """Converts times of the database server into local monotonic ones.

    Each exchange proves that the difference of the clocks lies in an interval as wide as the round
    trip. The estimate moves only when an interval excludes it, so a slow answer, or one that was
    read late by a busy process, does not shift it.
    """

    def __init__(self) -> None:
        self._ahead: float | None = None

    def saw(self, server_now: float, *, sent: float, received: float) -> None:
        """Take in one exchange.

        Args:
            server_now: The server's time, read between the other two; epoch seconds.
            sent: Local counter before asking.
            received: Local counter after the answer.
        """
        least, most = server_now - received, server_now - sent
        if self._ahead is None:
            self._ahead = (least + most) / 2
        self._ahead = min(max(self._ahead, least), most)

    def local(self, server_time: float) -> float:
        """A time of the server on the local counter; ``saw`` comes first."""
        return server_time - (self._ahead or 0.0)


class SharedBudget:
    """The budgets of all accounts, over one connection: opened on demand, reopened when lost.

    Args:
        warehouse_url: ``postgresql://…``.
        clock: Its monotonic counter is what slots are told in.

    Raises:
        ConfigurationError: The URL is not one of PostgreSQL.
    """

    def __init__(self, warehouse_url: str, clock: Clock) -> None:
        self._url = warehouse_url
        self._place = _place(warehouse_url)
        self._clock = clock
        self._server_clock = ServerClock()
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._questions: list[_Question] = []

    async def reserve(
        self, account_key: str, limits: PacingLimits, endpoint: str, priority: Priority, wanted: int
    ) -> Reservation:
        """Reserve up to ``wanted`` slots.

        Args:
            account_key: Names the account and mode; whoever uses the same one shares the budget.
            limits: Requests per second; the same in all processes.
            endpoint: Method and path template.
            priority: Who asks.
            wanted: How many.

        Raises:
            WarehouseError: The budget cannot be reached.
        """
        question = _Question(account_key, endpoint, priority, wanted, limits)
        self._questions.append(question)
        async with self._one_at_a_time:
            # Whoever comes first asks for all who wait: many syncs need few round trips.
            if not question.answer.done():
                await self._ask_all()
        return await question.answer

    async def _ask_all(self) -> None:
        questions, self._questions = self._questions, []
        questions.sort(key=lambda question: (question.account_key, question.endpoint))
        try:
            rows, sent = await self._ask(_RESERVE, _columns(questions))
        except WarehouseError as error:
            for question in questions:
                question.fail(error)
            return
        except BaseException:
            self._questions = [*questions, *self._questions]
            raise
        received = self._clock.monotonic()
        for question, (server_now, slots, ask_again_in, _) in zip(questions, rows, strict=True):
            self._server_clock.saw(server_now, sent=sent, received=received)
            local = [self._server_clock.local(slot) for slot in slots]
            question.give(Reservation(local, ask_again_in))

    async def slow_down(self, account_key: str, scope: str) -> None:
        """Cut the rate of an endpoint, or of ``WHOLE_ACCOUNT``, for everyone.

        Raises:
            WarehouseError: The budget cannot be reached.
        """
        async with self._one_at_a_time:
            await self._ask(_SLOW, {"account": account_key, "scope": scope})

    async def aclose(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _ask(self, query: str, values: Mapping[str, Any]) -> tuple[list[_Row], float]:
        """The rows of an answer, and when the question was sent.

        A connection found broken is replaced once: the server may have been restarted since.
        """
        used_before = self._connection is not None
        try:
            return await self._ask_once(query, values)
        except psycopg.OperationalError as error:
            await self.aclose()
            if not used_before:
                raise self._unreachable(error) from error
        except psycopg.Error as error:
            raise self._unreachable(error) from error
        try:
            return await self._ask_once(query, values)
        except psycopg.Error as error:
            await self.aclose()
            raise self._unreachable(error) from error

    async def _ask_once(self, query: str, values: Mapping[str, Any]) -> tuple[list[_Row], float]:
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(
                self._url, autocommit=True, connect_timeout=_CONNECT_SECONDS
            )
            await self._connection.execute(_SETTINGS)
        sent = self._clock.monotonic()
        cursor = await self._connection.execute(query, values)
        return await cursor.fetchall(), sent

    def _unreachable(self, error: psycopg.Error) -> WarehouseError:
        said = " ".join(str(error).split())
        message = f"the request budget in the warehouse at {self._place} cannot be used: {said}"
        if isinstance(error, _MISSING):
            message = f"{message}; run the warehouse's migrations"
        return WarehouseError(message)


def _place(url: str) -> str:
    """Host and database, for messages."""
    try:
        known = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        known = None
    if known is None:
        # Raised without its cause, which repeats the URL with its password.
        message = "the warehouse URL must look like postgresql://user:password@host:5432/database"
        raise ConfigurationError(message)
    return f"{known.get('host', 'localhost')}, database {known.get('dbname', '')!r}"
