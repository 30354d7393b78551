"""A link to Stripe's page that makes a restricted key, with name and permissions filled in.

The parameters are not documented by Stripe, but many public products use them. Where Stripe ignores
them the page is empty, and the permissions are chosen by hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

from stripe_sync.catalog import Catalog, Collection, load_catalog

KEY_NAME = "airflow-stripe-sync"
"""Name of a new key in the Dashboard."""

_PAGE = "https://dashboard.stripe.com/{mode}apikeys/create"
_EVENTS, _TEST_CLOCKS = "event_read", "billing_clock_read"


def create_key_url(
    collections: Iterable[Collection] | None = None,
    name: str = KEY_NAME,
    *,
    test: bool,
    write: Iterable[Collection] = (),
) -> str:
    """The link for a key that may read, and partly write, collections.

    Args:
        collections: To be read; None for all that can be read without permission to write. Stripe
            events are added: polling reads them.
        name: Name of the key in the Dashboard.
        test: Whether the key is for test mode; it may then read test clocks, too.
        write: To be written as well.

    Example:
        >>> from stripe_sync import create_key_url, load_catalog
        >>> create_key_url([load_catalog().resolve("refund")], "shop", test=False)
        'https://dashboard.stripe.com/apikeys/create?name=shop&permissions%5B%5D=rak_charge_read&permissions%5B%5D=rak_event_read'
    """
    if collections is None:
        collections = _readable_without_writing(load_catalog())
    permissions = key_permissions(collections, test=test, write=write)
    query = [("name", name), *(("permissions[]", f"rak_{each}") for each in permissions)]
    return f"{_PAGE.format(mode='test/' if test else '')}?{urlencode(query)}"


def key_permissions(
    collections: Iterable[Collection], *, test: bool, write: Iterable[Collection] = ()
) -> list[str]:
    """The permissions of such a key, ``customer_read``, sorted; write implies read."""
    needed = {_EVENTS, *([_TEST_CLOCKS] if test else [])}
    needed |= {each for collection in collections for each in collection.permissions.read}
    for collection in write:
        needed |= {*collection.permissions.read, *collection.permissions.write}
    written = {each.removesuffix("_write") for each in needed if each.endswith("_write")}
    return sorted(each for each in needed if each.removesuffix("_read") not in written)


def _readable_without_writing(catalog: Catalog) -> list[Collection]:
    """All collections but those for which Stripe asks write permission of a reader.

    These are the previews of invoices, which are requested with POST.
    """
    return [
        each
        for each in catalog.values()
        if not any(name.endswith("_write") for name in each.permissions.read)
    ]
