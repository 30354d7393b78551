"""What Stripe returned and cannot be stored as a record: its text is stored beside the records."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stripe_sync.records.set_aside import SetAside
from stripe_sync.sync.session import Session

log = logging.getLogger(__name__)


@asynccontextmanager
async def taken(session: Session) -> AsyncIterator[list[SetAside]]:
    """What the block stores in its transaction; taken again later when the block fails.

    The texts are in the lake before the block begins.

    Raises:
        LakeError: The lake cannot be written.
    """
    objects = session.context.requester.set_aside
    found = objects.take(session.sensitive_fields) if objects else []
    try:
        if found:
            await asyncio.to_thread(session.lake.write_set_aside, found)
        yield found
    except BaseException:
        objects.put_back(found)
        raise
    for each in found:
        log.warning(
            "%s %s is set aside: %s", each.collection_id, each.upstream_id or each.key, each.reason
        )
