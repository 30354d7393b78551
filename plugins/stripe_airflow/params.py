"""Parameters of the DAGs, as Airflow's form shows them."""

from __future__ import annotations

from airflow.sdk import Param


def sync_param() -> Param:
    """The name of a sync."""
    return Param(
        "default",
        type="string",
        pattern="^[a-z0-9][a-z0-9_-]*$",
        title="Sync",
        description="Its Stripe key stands in the connection named stripe_ and this name.",
    )


def backfill_params() -> dict[str, Param]:
    """Parameters of a backfill run."""
    from stripe_sync.catalog import load_catalog

    titles = {collection.name: collection.title for collection in load_catalog().values()}
    return {
        "sync": sync_param(),
        "collections": Param(
            [],
            type="array",
            title="Collections",
            description="Which collections to backfill. None chosen means all of the sync.",
            examples=list(titles),
            values_display=titles,
        ),
        "since": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Created since",
            description="Only objects created from this day on (UTC). Empty means all.",
        ),
        "full": Param(
            False,
            type="boolean",
            title="Read everything again",
            description="Start over instead of going on from what is there.",
        ),
    }
