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


def syncs_param() -> Param:
    """Names of several syncs."""
    return Param(
        [],
        type="array",
        items={"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
        title="Syncs",
        description="Names of the syncs to poll, one a line. None means all that are active.",
    )


def backfill_params() -> dict[str, Param]:
    """Parameters of a backfill run."""
    return {
        "sync": sync_param(),
        "collections": _collections_param(
            "Which collections to backfill. None chosen means all of the sync."
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
        "requests_per_second": Param(
            None,
            type=["null", "number"],
            exclusiveMinimum=0,
            title="Requests per second",
            description="Ceiling for this run. Empty means the one of the sync's connection.",
        ),
    }


def reconcile_params() -> dict[str, Param]:
    """Parameters of a reconcile run."""
    return {
        "sync": sync_param(),
        "collections": _collections_param(
            "Which collections to read again. None chosen means those that are due; with days to"
            " look back, all that can be read so."
        ),
        "window": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="Days to look back",
            description="Only what was created since; nothing is marked as deleted then."
            " Empty means all the way.",
        ),
        "everything": Param(
            False,
            type="boolean",
            title="All collections",
            description="Where none is chosen: all of them, whether due or not.",
        ),
    }


def _collections_param(description: str) -> Param:
    from stripe_sync.catalog import load_catalog

    titles = {collection.name: collection.title for collection in load_catalog().values()}
    return Param(
        [],
        type="array",
        title="Collections",
        description=description,
        examples=list(titles),
        values_display=titles,
    )


def reload_params() -> dict[str, Param]:
    """Parameters of a reload run."""
    names = ("sync", "collections")
    return {name: param for name, param in backfill_params().items() if name in names}


def maintain_params() -> dict[str, Param]:
    """Parameters of a maintenance run."""
    return {
        "sync": Param(
            None,
            type=["null", "string"],
            pattern="^[a-z0-9][a-z0-9_-]*$",
            title="Sync",
            description="The one to maintain. Empty means all.",
        )
    }
