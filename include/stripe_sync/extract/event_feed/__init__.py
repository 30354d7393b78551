"""The feed of Stripe events (GET /v1/events): new ones, late ones, missed ones.

Stripe's list is newest first and eventually consistent: an event may appear below events that were
read before. Three ways of reading together miss nothing:

- ``newest.py`` reads from the top down to an event that was processed. Most of the time that is one
  short page, which covers the whole lookback.
- ``lookback.py`` reads the lookback again and again, a few pages at a time, where it does not fit
  on the first page.
- ``catch_up.py`` reads missed minutes or weeks, oldest first, in windows of bounded size.

All times are Stripe's own (``StripeClock``). A Stripe event may be dated in the future; the
cursor never goes past the moment at which it was asked for, or what follows would be left out.
"""

from stripe_sync.extract.event_feed.feed import EventFeed
from stripe_sync.extract.event_feed.lookback import LOOKBACK
from stripe_sync.extract.event_feed.newest import newest_created

__all__ = ["LOOKBACK", "EventFeed", "newest_created"]
