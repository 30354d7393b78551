"""The feed of a sync: which of the three readers is next, and which events were processed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from stripe_sync.client import Priority, StripeApi
from stripe_sync.clock import Clock
from stripe_sync.extract.event_feed.catch_up import EventCatchUp
from stripe_sync.extract.event_feed.event_pages import EventBatch, created_of
from stripe_sync.extract.event_feed.lookback import LOOKBACK, LookbackScan
from stripe_sync.extract.event_feed.newest import fetch_newest
from stripe_sync.extract.requester import Requester
from stripe_sync.records.canonical_json import JsonObject
from stripe_sync.records.set_aside import SetAsideObjects

_FORGET_SECONDS = 60.0


class EventFeed:
    """Finds the Stripe events of a sync that were not processed yet.

    A poll calls ``fetch_new``, then ``mark_seen`` before the events are committed (the commit takes
    the ``watermark``), then ``mark_committed``.

    Args:
        api: The client.
        clock: The time of requests, but not of Stripe events.
        cutoff: Unix seconds; events created earlier are left out.
        watermark: ``watermark`` of an earlier feed; None for the cutoff.
        missed_since: Unix seconds from which an earlier feed left out events; None for none.
        set_aside: Takes what is no Stripe event that can be processed.

    Attributes:
        watermark: ``created`` of the newest event, in Unix seconds.
        lookback_start: Unix seconds from which events are searched for.
    """

    def __init__(
        self,
        api: StripeApi,
        clock: Clock,
        *,
        cutoff: int,
        watermark: int | None = None,
        missed_since: int | None = None,
        set_aside: SetAsideObjects | None = None,
    ) -> None:
        objects = SetAsideObjects() if set_aside is None else set_aside
        self._requester = Requester(api, clock, Priority.LIVE, set_aside=objects)
        self._clock = clock
        self._cutoff = cutoff
        self.watermark = max(watermark or 0, cutoff)
        self._stripe_date = self.watermark
        self._scan = LookbackScan(self._requester)
        self._scan_step: asyncio.Task[list[JsonObject]] | None = None
        self._catch_up: EventCatchUp | None = None
        self._processed: dict[str, int] = {}
        self._forgot_at = clock.monotonic()
        self.lookback_start = max(self.watermark - LOOKBACK, cutoff)
        if missed_since is not None:
            self.lookback_start = max(min(self.lookback_start, missed_since), cutoff)
            self._catch_up = EventCatchUp(self._requester, self.lookback_start)

    def add_processed(self, processed: dict[str, int]) -> None:
        """Add Stripe events that earlier feeds processed: Unix seconds of creation by id."""
        self._processed |= processed

    async def fetch_new(self) -> EventBatch:
        """New events and late events.

        Raises:
            StripeError: As the client raises it; the next call reads the same.
        """
        batch = await self._fetch()
        self._stripe_date = batch.stripe_date
        return batch

    def mark_seen(self, events: list[JsonObject]) -> None:
        """Move the watermark over events of a batch, before it is committed with them."""
        newest = max((created_of(event) for event in events), default=0)
        self.watermark = max(self.watermark, min(newest, self._stripe_date))
        self.lookback_start = max(self.watermark - LOOKBACK, self._cutoff)

    def mark_committed(self, events: list[JsonObject]) -> None:
        """Return these events no more."""
        self._processed |= {event["id"]: int(event["created"]) for event in events}
        now = self._clock.monotonic()
        if now - self._forgot_at < _FORGET_SECONDS:
            return
        self._forgot_at = now
        oldest = self._scan.start(self.lookback_start)
        self._processed = {
            event_id: created for event_id, created in self._processed.items() if created >= oldest
        }

    async def aclose(self) -> None:
        """Cancel the request under way, if any."""
        if self._scan_step is not None:
            self._scan_step.cancel()
            await asyncio.gather(self._scan_step, return_exceptions=True)

    async def _fetch(self) -> EventBatch:
        if self._catch_up is None:
            batch = await fetch_newest(
                self._requester, processed=self._processed, start=self.lookback_start
            )
            if not batch.behind:
                return batch if batch.complete else await self._with_late(batch)
            self._catch_up = EventCatchUp(self._requester, self.lookback_start)
        batch = await self._catch_up.step(self._processed)
        if not batch.behind:
            self._catch_up = None
        return batch

    async def _with_late(self, batch: EventBatch) -> EventBatch:
        """Add the late events that the scan found since the last poll, and start its next step.

        The scan runs in the background, so that new events do not wait for it.
        """
        late = await self._scanned()
        if self._scan_step is None:
            start = max(self._scan.start(self.lookback_start), self._cutoff)
            step = self._scan.step(processed=self._processed, start=start)
            self._scan_step = asyncio.create_task(step)
        new = {event["id"] for event in batch.events}
        events = [*(event for event in late if event["id"] not in new), *batch.events]
        return replace(batch, events=sorted(events, key=created_of))

    async def _scanned(self) -> list[JsonObject]:
        """Events of the last step of the scan, if it is done, without those processed since."""
        if self._scan_step is None or not self._scan_step.done():
            return []
        step, self._scan_step = self._scan_step, None
        late = await step
        return [event for event in late if event["id"] not in self._processed]
