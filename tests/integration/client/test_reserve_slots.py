"""The rules of the shared budget, on the server's own clock."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier
from typing import NamedTuple

import psycopg
import pytest

HORIZON = {"live": 0.1, "backfill": 0.03}
LEAD = 0.03
TOTAL, BACKFILL, ENDPOINT = 100.0, 50.0, 25.0
WINDOW = 1.0
RUSH = 0.8  # smallest distance of two slots, as a share of what the limit comes to
# Float seconds since 1970 are exact to a quarter of a microsecond.
EXACT = 1e-6


class Reservation(NamedTuple):
    server_now: float
    slots: list[float]
    ask_again_in: float


class Budget:
    """The functions of the warehouse, called as the pacer does."""

    def __init__(self, connection: psycopg.Connection, account: str) -> None:
        self._connection = connection
        self._account = account

    def reserve(
        self,
        endpoint: str,
        priority: str = "live",
        wanted: int = 1,
        *,
        horizon: float | None = None,
        lead: float = LEAD,
        endpoint_rate: float = ENDPOINT,
    ) -> Reservation:
        row = self._connection.execute(
            "SELECT * FROM stripe_sync.reserve_slots(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                *(self._account, endpoint, priority == "backfill", wanted),
                *(TOTAL, BACKFILL, endpoint_rate, WINDOW, horizon or HORIZON[priority], lead),
            ),
        ).fetchone()
        assert row is not None
        return Reservation(*row)

    def busy_for(self, scope: str, seconds: float) -> None:
        """Let the next slot of the account (``*``) or of an endpoint lie ahead."""
        self._connection.execute(
            "INSERT INTO stripe_sync.pacing AS row (account_key, scope, next_free) "
            "VALUES (%s, %s, extract(epoch FROM clock_timestamp()) + %s) "
            "ON CONFLICT (account_key, scope) DO UPDATE SET next_free = excluded.next_free",
            (self._account, scope, seconds),
        )

    def let_pass(self, seconds: float) -> None:
        """Let time pass without requests."""
        self._connection.execute(
            "UPDATE stripe_sync.pacing SET next_free = next_free - %(s)s,"
            " next_backfill = next_backfill - %(s)s,"
            " recent = array(SELECT slot - %(s)s FROM unnest(recent) AS slot),"
            " recent_backfill = array(SELECT slot - %(s)s FROM unnest(recent_backfill) AS slot)"
            " WHERE account_key = %(account)s",
            {"s": seconds, "account": self._account},
        )

    def slow_down(self, scope: str, age: float = 0) -> float:
        """Slow down and let ``age`` seconds pass; returns the factor."""
        key = (self._account, scope)
        self._connection.execute("SELECT stripe_sync.slow_pacing(%s, %s)", key)
        row = self._connection.execute(
            "UPDATE stripe_sync.pacing SET slowed_at = slowed_at - %s "
            "WHERE account_key = %s AND scope = %s RETURNING factor",
            (age, *key),
        ).fetchone()
        assert row is not None
        return float(row[0])


@pytest.fixture
def connection(pacing_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(pacing_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def budget(connection: psycopg.Connection, account: str) -> Budget:
    return Budget(connection, account)


def gaps(slots: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(slots)]


def test_the_first_request_may_leave_at_once(budget: Budget) -> None:
    reservation = budget.reserve("GET /v1/events")
    assert reservation.slots == [reservation.server_now]


def test_slots_of_an_account_come_in_order_and_a_backfill_keeps_its_distance(
    budget: Budget,
) -> None:
    slots: list[float] = []
    distances = []
    for permit in range(8):
        slots += budget.reserve(f"GET /v1/{permit % 7}", "live").slots
        while not (found := budget.reserve("GET /v1/customers", "backfill").slots):
            pass  # not within the horizon yet
        distances += [slot - slots[-1] for slot in found]
        slots += found
    assert slots == sorted(slots)
    assert min(distances) >= RUSH / TOTAL - EXACT


def test_slots_of_an_endpoint_are_spaced(budget: Budget) -> None:
    slots = []
    while len(slots) < 8:
        slots += budget.reserve("GET /v1/customers", "backfill", wanted=5).slots
    assert min(gaps(slots)) >= RUSH / ENDPOINT - EXACT


def test_live_requests_leave_at_once_within_the_limit(budget: Budget) -> None:
    reservation = budget.reserve("GET /v1/customers", wanted=50)
    assert reservation.slots == [reservation.server_now] * int(ENDPOINT)
    assert reservation.ask_again_in >= WINDOW - LEAD - EXACT


def test_slots_of_a_backfill_are_spaced(budget: Budget) -> None:
    slots = []
    while len(slots) < 12:
        for endpoint in ("GET /v1/a", "GET /v1/b", "GET /v1/c"):
            slots += budget.reserve(endpoint, "backfill", wanted=5).slots
    assert min(gaps(slots)) >= RUSH / BACKFILL - EXACT


def test_no_second_has_more_slots_than_the_limit(budget: Budget) -> None:
    slots = budget.reserve("GET /v1/a", wanted=80, horizon=9, lead=9).slots
    assert len(slots) == 80
    limit = int(ENDPOINT)
    assert min(later - slots[k] for k, later in enumerate(slots[limit:])) >= WINDOW - EXACT


def test_slots_not_requested_in_time_are_made_up_for(budget: Budget) -> None:
    budget.reserve("GET /v1/a", wanted=60, horizon=9, lead=9)
    budget.let_pass(10.2)
    late = budget.reserve("GET /v1/a", wanted=60, horizon=9, lead=9)
    assert late.slots[0] == late.server_now
    limit = int(ENDPOINT)
    assert late.slots[limit - 1] - late.slots[0] < WINDOW - 0.15
    assert late.slots[limit] - late.slots[0] >= WINDOW - EXACT


@pytest.mark.parametrize("priority", ["live", "backfill"])
def test_no_slot_is_granted_beyond_the_horizon(budget: Budget, priority: str) -> None:
    for permit in range(300):
        reservation = budget.reserve(f"GET /v1/{permit % 9}", priority, wanted=50)
        for slot in reservation.slots:
            assert slot <= reservation.server_now + HORIZON[priority] + EXACT


def test_a_full_horizon_returns_when_to_ask_again(budget: Budget) -> None:
    budget.busy_for("*", 0.9)
    reservation = budget.reserve("GET /v1/a", "backfill")
    assert reservation.slots == []
    assert 0 < reservation.ask_again_in <= 0.9 - HORIZON["backfill"]


def test_a_busy_endpoint_returns_when_to_ask_again_and_delays_no_other(budget: Budget) -> None:
    budget.busy_for("GET /v1/a", 0.9)
    reservation = budget.reserve("GET /v1/a", "backfill")
    assert reservation.slots == []
    assert 0 < reservation.ask_again_in <= 0.9 - LEAD
    other = budget.reserve("GET /v1/b", "backfill")
    assert other.slots == [other.server_now]


def test_a_live_request_waits_for_two_steps_of_a_backfill_at_most(budget: Budget) -> None:
    for permit in range(500):
        budget.reserve(f"GET /v1/{permit % 20}", "backfill", wanted=50)
    reservation = budget.reserve("GET /v1/events")
    (slot,) = reservation.slots
    assert slot - reservation.server_now <= HORIZON["backfill"] + 1 / TOTAL + EXACT


def test_the_priority_with_the_longer_horizon_gets_the_slots_first(
    budget: Budget,
) -> None:
    budget.busy_for("*", 0.9)
    assert budget.reserve("GET /v1/a", "backfill", horizon=0.3).slots == []
    assert len(budget.reserve("GET /v1/events", "live", horizon=1.0).slots) == 1


def test_live_requests_limited_by_their_endpoint_leave_slots_for_backfills(
    budget: Budget,
) -> None:
    budget.reserve("POST /v1/customers", "live", wanted=50)
    reservation = budget.reserve("GET /v1/a", "backfill")
    assert len(reservation.slots) == 1


def test_a_backfill_leaves_room_for_the_live_requests_of_its_endpoint(budget: Budget) -> None:
    """Without it, the second batch of changes would wait until the first one's slots are free."""
    for _ in range(4):
        budget.reserve("GET /v1/a", "live", wanted=9)
        budget.let_pass(0.25)
        budget.reserve("GET /v1/a", "backfill", wanted=50, horizon=9, lead=9)
        budget.let_pass(0.25)
    late = budget.reserve("GET /v1/a", "live", wanted=9)
    assert late.slots == [late.server_now] * 9


def test_a_backfill_gets_some_slots_beside_the_most_live_requests(budget: Budget) -> None:
    budget.reserve("GET /v1/a", "live", wanted=int(ENDPOINT) - 1)
    slots = budget.reserve("GET /v1/a", "backfill", wanted=3, horizon=9, lead=9).slots
    assert len(slots) == 3
    assert min(gaps(slots)) >= WINDOW - EXACT


def test_a_backfill_has_its_endpoint_again_soon_after_the_last_live_request(
    budget: Budget,
) -> None:
    budget.reserve("GET /v1/a", "live", wanted=int(ENDPOINT) - 1)
    budget.reserve("GET /v1/a", "backfill", horizon=9, lead=9)
    budget.let_pass(2 * WINDOW)
    slots = budget.reserve("GET /v1/a", "backfill", wanted=10, horizon=9, lead=9).slots
    assert max(gaps(slots)) <= 1 / ENDPOINT + EXACT


def test_accounts_do_not_share_a_budget(connection: psycopg.Connection, account: str) -> None:
    Budget(connection, account).busy_for("*", 0.9)
    reservation = Budget(connection, f"{account}2").reserve("GET /v1/a")
    assert reservation.slots == [reservation.server_now]


def test_a_clock_set_back_by_an_hour_blocks_for_a_second_at_most(budget: Budget) -> None:
    for scope in ("*", "GET /v1/a"):
        budget.busy_for(scope, 3600)
    assert 0 < budget.reserve("GET /v1/a", "backfill").ask_again_in <= 1 + 1 / ENDPOINT


def test_429s_cut_the_rate_at_most_once_a_second(budget: Budget) -> None:
    assert budget.slow_down("*") == pytest.approx(0.7)
    assert budget.slow_down("*", age=2) == pytest.approx(0.7)
    assert budget.slow_down("*") == pytest.approx(0.7 * 0.8, abs=0.01)


def test_429s_never_cut_the_rate_below_a_tenth(
    budget: Budget, connection: psycopg.Connection, account: str
) -> None:
    budget.slow_down("*", age=1)
    connection.execute(
        "UPDATE stripe_sync.pacing SET factor = 0.05 WHERE account_key = %s", (account,)
    )
    assert budget.slow_down("*") == 0.1


@pytest.mark.parametrize(("age", "factor"), [(0, 0.7), (2, 0.8), (6, 1.0), (3600, 1.0)])
def test_the_rate_recovers_by_a_twentieth_a_second(
    budget: Budget, age: float, factor: float
) -> None:
    budget.slow_down("GET /v1/a", age=age)
    first = budget.reserve("GET /v1/a", endpoint_rate=1)
    # One slot is granted; for the next one, the answer is when to ask again.
    second = budget.reserve("GET /v1/a", endpoint_rate=1)
    step = second.server_now + second.ask_again_in + LEAD - first.slots[0]
    assert step == pytest.approx(1 / factor, rel=0.05)


def test_a_slowed_account_slows_all_its_endpoints_and_priorities(budget: Budget) -> None:
    budget.slow_down("*")
    slots = []
    while len(slots) < 8:
        slots += budget.reserve("GET /v1/a", "live", wanted=5).slots
        slots += budget.reserve("GET /v1/b", "backfill", wanted=5).slots
    assert min(gaps(slots)) >= RUSH / (TOTAL * 0.8)


def test_processes_that_come_first_at_the_same_time_get_different_slots(
    pacing_url: str, account: str
) -> None:
    start = Barrier(8)

    def first(_: int) -> list[float]:
        with psycopg.connect(pacing_url, autocommit=True) as connection:
            start.wait()
            return Budget(connection, account).reserve("GET /v1/a", "backfill", wanted=1).slots

    with ThreadPoolExecutor(8) as pool:
        slots = sorted(slot for slots in pool.map(first, range(8)) for slot in slots)
    assert slots
    assert min([1.0, *gaps(slots)]) >= RUSH / ENDPOINT - EXACT
