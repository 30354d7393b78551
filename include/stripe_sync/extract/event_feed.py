"""Finding the Stripe events of a sync that were not applied yet."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from stripe_sync.client import StripeApi
from stripe_sync.clock import Clock
from stripe_sync.extract.event_pages import EventBatch, EventCatchUp, LookbackScan, newest
from stripe_sync.records.canonical_json import JsonObject

LOOKBACK = 600
"""Seconds that are looked back for Stripe events that appear late."""

_FORGET_SECONDS = 60.0
_RETRY_SECONDS = 5.0


class EventFeed:
    """Remembers which Stripe events were applied, and looks for others.

    Args:
        api: The client.
        clock: Tells the time.
        cutoff: Unix seconds; nothing created earlier is applied.
        position: Where an earlier poller stopped, None for the fence.
    """

    def __init__(
        self, api: StripeApi, clock: Clock, *, cutoff: int, position: JsonObject | None
    ) -> None:
        self._api = api
        self._clock = clock
        self._cutoff = cutoff
        self._watermark = max((position or {}).get("watermark", 0), cutoff)
        self._scan = LookbackScan(api, clock)
        self._scanning: asyncio.Task[list[JsonObject]] | None = None
        self._catch_up: EventCatchUp | None = None
        self._known: dict[str, int] = {}
        self._forgot_at = clock.monotonic()
        self._failing: dict[str, JsonObject] = {}
        self._retry_at = 0.0
        self.floor = max(self._watermark - LOOKBACK, cutoff)
        if failing_since := (position or {}).get("failing_since"):
            self.floor = max(min(self.floor, failing_since), cutoff)
            self._catch_up = EventCatchUp(api, clock, self.floor)

    def remember(self, known: dict[str, int]) -> None:
        """Take note of Stripe events that were applied earlier: Unix seconds by id."""
        self._known |= known

    @property
    def position(self) -> JsonObject:
        """Where to go on."""
        times = (int(event["created"]) for event in self._failing.values())
        return {"watermark": self._watermark, "failing_since": min(times, default=None)}

    async def look(self) -> EventBatch:
        """What is new since the last look, what showed up late, what is worth another try.

        Raises:
            StripeError: As the client raises it; the next look finds the same.
        """
        found = await self._new()
        again = self._to_try_again()
        if not again:
            return found
        return replace(found, events=[*again, *found.events])

    async def _new(self) -> EventBatch:
        if self._catch_up is None:
            found = await newest(self._api, self._clock, known=self._known, floor=self.floor)
            if not found.behind:
                return found if found.whole else await self._with_late(found)
            self._catch_up = EventCatchUp(self._api, self._clock, self.floor)
        found = await self._catch_up.step(self._known)
        if not found.behind:
            self._catch_up = None
        return found

    async def _with_late(self, found: EventBatch) -> EventBatch:
        """With what a few pages of the overlap showed since the last look.

        They are read beside everything else, so that nothing new waits for what is late.
        """
        late = await self._scanned()
        reach = max(self._scan.reach(self.floor), self._cutoff)
        if self._scanning is None:
            step = self._scan.step(known=self._known, floor=reach)
            self._scanning = asyncio.create_task(step)
        new = {event["id"] for event in found.events}
        events = [*(e for e in late if e["id"] not in new), *found.events]
        return replace(found, events=sorted(events, key=lambda e: int(e["created"])))

    async def _scanned(self) -> list[JsonObject]:
        """What those pages showed, if they are there, and nobody has applied since."""
        if self._scanning is None or not self._scanning.done():
            return []
        scanning, self._scanning = self._scanning, None
        late = await scanning
        return [event for event in late if event["id"] not in self._known]

    async def aclose(self) -> None:
        """Stop looking."""
        if self._scanning is not None:
            self._scanning.cancel()
            await asyncio.gather(self._scanning, return_exceptions=True)

    def _to_try_again(self) -> list[JsonObject]:
        now = self._clock.monotonic()
        if not self._failing or now < self._retry_at:
            return []
        self._retry_at = now + _RETRY_SECONDS
        return list(self._failing.values())

    def note(self, events: list[JsonObject], failed: list[JsonObject]) -> None:
        """Note what became of Stripe events, before that is committed.

        Args:
            events: Stripe events that were found.
            failed: Those of them that could not be applied; they are tried again.
        """
        if failed and not self._failing:
            self._retry_at = self._clock.monotonic() + _RETRY_SECONDS
        for event in events:
            self._failing.pop(event["id"], None)
        self._failing |= {event["id"]: event for event in failed}
        self._watermark = max([self._watermark, *(int(event["created"]) for event in events)])
        self.floor = max(self._watermark - LOOKBACK, self._cutoff)

    def know(self, events: list[JsonObject]) -> None:
        """Note that what was noted of these Stripe events is committed."""
        self._known |= {event["id"]: int(event["created"]) for event in events}
        now = self._clock.monotonic()
        if now - self._forgot_at < _FORGET_SECONDS:
            return
        # Those that are too old to be looked for need not be known.
        self._forgot_at = now
        floor = self._scan.reach(self.floor)
        self._known = {
            key: created
            for key, created in self._known.items()
            if created >= floor or key in self._failing
        }
