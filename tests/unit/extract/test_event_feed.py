"""The event feed: new, late and missed Stripe events, each found once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from stripe_sandbox.server import Running
from stripe_sync.client import Credential, NoRateLimit, Priority, RetryPolicy, StripeApi
from stripe_sync.clock import SystemClock
from stripe_sync.errors import InvalidRequest, PermissionDenied, StripeUnavailable
from stripe_sync.extract.event_feed import LOOKBACK, EventFeed, newest_created
from stripe_sync.extract.event_feed.catch_up import MAX_AGE, MAX_WINDOW
from stripe_sync.extract.event_feed.event_pages import MAX_PAGES
from stripe_sync.extract.event_feed.lookback import LookbackScan
from stripe_sync.extract.requester import Requester
from stripe_sync.records.canonical_json import JsonObject
from unit.client.scripted_stripe import VERSION, Answer, error, found, scripted

pytestmark = pytest.mark.anyio

PAGE = 100
HOUR = 3_600
PATIENCE = 30.0


class SkippingClock(SystemClock):
    """A clock whose counter skips seconds."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.skipped


def event(name: str, created: int) -> JsonObject:
    return {
        "id": f"evt_{name}",
        "object": "event",
        "type": "product.updated",
        "created": created,
        "api_version": VERSION,
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": None, "idempotency_key": None},
        "data": {"object": {"id": f"prod_{name}", "object": "product"}},
    }


def series(count: int, start: int, end: int, name: str = "") -> list[JsonObject]:
    """Events at even distances from start to end, oldest first."""
    return [event(f"{name}{n}", start + (end - start) * n // count) for n in range(count)]


def names(events: list[JsonObject]) -> list[str]:
    return [each["id"] for each in events]


def listed(*events: JsonObject, has_more: bool = False) -> Answer:
    """A page of a scripted list, newest first."""
    return found({"object": "list", "data": events, "has_more": has_more})


class Account:
    """A sandbox's events, and feeds that read them."""

    def __init__(self, sandbox: Running, api: StripeApi) -> None:
        self._sandbox = sandbox
        self.api = api
        self.clock = SkippingClock()
        self.now = int(sandbox.control.clock())

    async def append(self, *events: JsonObject) -> None:
        await asyncio.to_thread(self._sandbox.control.append_events, events)

    async def fail(self) -> None:
        await asyncio.to_thread(self._sandbox.control.fault, "server_error", endpoint="GET *")

    async def recover(self) -> None:
        await asyncio.to_thread(self._sandbox.control.no_faults)

    async def requests(self) -> int:
        stats = await asyncio.to_thread(self._sandbox.control.stats)
        return int(stats["by_endpoint"]["GET /v1/events"])

    def feed(
        self, *, age: int = HOUR, watermark: int | None = None, missed_since: int | None = None
    ) -> EventFeed:
        """A feed whose cutoff is so many seconds old."""
        return EventFeed(
            self.api,
            self.clock,
            cutoff=self.now - age,
            watermark=watermark,
            missed_since=missed_since,
        )


async def poll(feed: EventFeed) -> list[str]:
    """Ids of the events of one poll; all are committed."""
    batch = await feed.fetch_new()
    feed.mark_seen(batch.events)
    feed.mark_committed(batch.events)
    return names(batch.events)


async def poll_until(feed: EventFeed, count: int) -> list[str]:
    """Ids of the events of as many polls as it takes to find so many."""
    found: list[str] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            found += await poll(feed)
    return found


async def read_to_end(feed: EventFeed) -> list[list[str]]:
    """Ids of the events of each batch, until the feed is no longer behind."""
    batches, behind = [], True
    while behind:
        batch = await feed.fetch_new()
        feed.mark_seen(batch.events)
        feed.mark_committed(batch.events)
        batches.append(names(batch.events))
        behind = batch.behind
    return batches


@pytest.fixture
async def account(sandbox: Running) -> AsyncIterator[Account]:
    async with StripeApi(
        Credential(sandbox.api_key, sandbox.base_url),
        api_version=VERSION,
        rate_limiter=NoRateLimit(),
        retry=RetryPolicy(attempts=1),
    ) as api:
        yield Account(sandbox, api)


@asynccontextmanager
async def closing(feed: EventFeed) -> AsyncIterator[EventFeed]:
    try:
        yield feed
    finally:
        await feed.aclose()


async def test_new_events_come_once_and_oldest_first(account: Account) -> None:
    feed = account.feed()
    assert await poll(feed) == []
    await account.append(*series(3, account.now - 9, account.now))
    assert await poll(feed) == ["evt_0", "evt_1", "evt_2"]
    assert await poll(feed) == []
    await account.append(event("next", account.now))
    assert await poll(feed) == ["evt_next"]


async def test_events_that_were_not_committed_come_again(account: Account) -> None:
    feed = account.feed()
    await account.append(event("a", account.now))
    assert names((await feed.fetch_new()).events) == ["evt_a"]
    assert await poll(feed) == ["evt_a"]


async def test_events_before_the_cutoff_are_left_out(account: Account) -> None:
    await account.append(event("before", account.now - 61), event("at", account.now - 60))
    assert await poll(account.feed(age=60)) == ["evt_at"]


async def test_a_late_event_below_processed_ones_is_found(account: Account) -> None:
    feed = account.feed()
    await account.append(event("first", account.now))
    assert await poll(feed) == ["evt_first"]
    await account.append(event("late", account.now - LOOKBACK + 5))
    assert await poll(feed) == ["evt_late"]


async def test_an_event_later_than_the_lookback_is_not_found(account: Account) -> None:
    feed = account.feed()
    await account.append(event("first", account.now))
    await poll(feed)
    await account.append(event("too_late", account.now - LOOKBACK - 5))
    assert await poll(feed) == []


async def test_a_late_event_far_below_the_first_page_is_found_beside_new_ones(
    account: Account,
) -> None:
    async with closing(account.feed()) as feed:
        await account.append(*series(5 * PAGE, account.now - 300, account.now))
        assert len(await poll(feed)) == 5 * PAGE
        await account.append(event("late", account.now - 295), event("new", account.now))
        # The new one does not wait for the scan that finds the late one.
        assert await poll(feed) == ["evt_new"]
        assert await poll_until(feed, 1) == ["evt_late"]


async def test_an_unread_page_below_a_processed_event_is_reported_as_incomplete(
    account: Account,
) -> None:
    async with closing(account.feed()) as feed:
        await account.append(*series(2 * PAGE, account.now - 300, account.now))
        assert (await feed.fetch_new()).complete
        await poll(feed)
        batch = await feed.fetch_new()
        assert (batch.events, batch.complete, batch.behind) == ([], False, False)


async def test_missed_hours_are_caught_up_in_windows_oldest_first(account: Account) -> None:
    missed = series(2 * MAX_PAGES * PAGE, account.now - 5 * HOUR, account.now)
    await account.append(*missed)
    feed = account.feed(age=6 * HOUR)
    batches = await read_to_end(feed)
    assert [name for batch in batches for name in batch] == names(missed)
    assert len(batches) > 1
    assert max(map(len, batches)) <= MAX_PAGES * PAGE
    assert await poll(feed) == []


async def test_events_of_one_second_are_caught_up_together(account: Account) -> None:
    second = account.now - 2 * HOUR
    crowd = series((MAX_PAGES + 2) * PAGE, second, second)
    await account.append(*crowd, event("after", second + 1))
    batches = await read_to_end(account.feed(age=3 * HOUR))
    assert [name for batch in batches for name in batch] == [*names(crowd), "evt_after"]
    assert names(crowd) in batches


async def test_catching_up_begins_no_earlier_than_stripe_has_events(account: Account) -> None:
    missed = series(MAX_PAGES * PAGE + 1, account.now - HOUR, account.now)
    await account.append(*missed)
    batches = await read_to_end(account.feed(age=account.now))
    assert [name for batch in batches for name in batch] == names(missed)
    days_since_cutoff, days_with_events = account.now // MAX_WINDOW, MAX_AGE // MAX_WINDOW
    assert days_since_cutoff > 10 * days_with_events
    assert await account.requests() < 10 * days_with_events


async def test_a_later_feed_continues_at_the_cursor(account: Account) -> None:
    old = event("old", account.now - 100)
    await account.append(old)
    first = account.feed()
    await poll(first)
    await account.append(event("new", account.now))
    later = account.feed(watermark=first.watermark)
    assert later.lookback_start == old["created"] - LOOKBACK
    later.add_processed({old["id"]: old["created"]})
    assert await poll(later) == ["evt_new"]


async def test_an_event_below_the_lookback_that_was_left_out_is_read_again_by_a_later_feed(
    account: Account,
) -> None:
    missed, done = event("missed", account.now - 2 * LOOKBACK), event("done", account.now)
    await account.append(missed, done)
    later = account.feed(watermark=account.now, missed_since=missed["created"])
    assert later.lookback_start == missed["created"]
    later.add_processed({done["id"]: done["created"]})
    assert [name for batch in await read_to_end(later) for name in batch] == ["evt_missed"]


async def test_events_that_have_left_the_lookback_are_forgotten_and_do_not_come_again(
    account: Account,
) -> None:
    feed = account.feed()
    await account.append(event("done", account.now - 20))
    await poll(feed)
    account.clock.skipped += 61
    await account.append(event("new", account.now - 20 + LOOKBACK + 10))
    assert await poll(feed) == ["evt_new"]
    account.clock.skipped += 61
    assert await poll(feed) == []


async def test_an_error_loses_nothing(account: Account) -> None:
    feed = account.feed()
    await account.append(event("a", account.now))
    await account.fail()
    with pytest.raises(StripeUnavailable):
        await feed.fetch_new()
    await account.recover()
    assert await poll(feed) == ["evt_a"]


async def test_a_scan_begins_anew_after_an_error() -> None:
    first, second = listed(event("b", 2), has_more=True), listed(event("a", 1))
    async with scripted(first, error(400), first, second) as bench:
        scan = LookbackScan(Requester(bench.api, bench.clock, Priority.LIVE))
        with pytest.raises(InvalidRequest):
            await scan.step(processed=(), start=0)
        assert names(await scan.step(processed=(), start=0)) == ["evt_a", "evt_b"]
    assert ["starting_after=evt_b" in request.target for request in bench.server.requests] == [
        False,
        True,
        False,
        True,
    ]


async def test_a_cursor_that_leaves_retention_ends_the_list() -> None:
    newest = [event(str(n), 1_790_000_000 - n) for n in range(PAGE)]
    expired = error(400, message="… because it has aged out of our retention policy")
    async with scripted(listed(*newest, has_more=True), expired) as bench:
        feed = EventFeed(bench.api, bench.clock, cutoff=0)
        batch = await feed.fetch_new()
    assert names(batch.events) == names(newest)[::-1]
    assert (batch.complete, batch.behind) == (True, False)


async def test_the_newest_event_is_where_a_first_poll_starts(account: Account) -> None:
    assert await newest_created(account.api) == 0
    await account.append(*series(3, account.now - 9, account.now))
    assert await newest_created(account.api) == account.now - 3


async def test_an_event_dated_in_the_future_does_not_move_the_cursor_past_the_present(
    account: Account,
) -> None:
    feed = account.feed()
    await account.append(event("ahead", account.now + HOUR))
    assert await poll(feed) == ["evt_ahead"]
    assert account.now <= feed.watermark <= account.now + PATIENCE
    later = account.feed(watermark=feed.watermark)
    later.add_processed({"evt_ahead": account.now + HOUR})
    await account.append(event("next", account.now))
    assert await poll(later) == ["evt_next"]
    assert await poll(later) == []


async def test_polling_starts_at_the_present_though_the_newest_event_is_dated_in_the_future(
    account: Account,
) -> None:
    await account.append(event("ahead", account.now + HOUR))
    assert account.now <= await newest_created(account.api) <= account.now + PATIENCE


async def test_the_present_is_stripes_own_date_whatever_this_machine_shows() -> None:
    date, created = "Sun, 01 Nov 2026 12:00:00 GMT", 1_793_534_400
    page = listed(event("ahead", created + 5), event("now", created))
    page.headers["Date"] = date
    async with scripted(page) as bench:
        feed = EventFeed(bench.api, bench.clock, cutoff=0)
        await poll(feed)
        assert feed.watermark == created
        assert await newest_created(bench.api) == created


async def test_a_refusal_shows_stripes_clock_too() -> None:
    refused = error(403, {"Date": "Sun, 01 Nov 2026 12:00:00 GMT"}, message="No")
    async with scripted(refused) as bench:
        with pytest.raises(PermissionDenied):
            await newest_created(bench.api)
        assert bench.api.stripe_clock.date == 1_793_534_400
