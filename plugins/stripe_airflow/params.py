"""Parameters of the DAGs, as Airflow's form shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from airflow.sdk import Param

from stripe_airflow.arguments import parse_names
from stripe_airflow.hooks.connections import default_sync
from stripe_sync import ConfigurationError

_SYNC_NAME = "^[a-z0-9][a-z0-9_-]*$"


def sync_param() -> Param:
    """The name of a sync; the form has that of the environment variable ``STRIPE_SYNC``."""
    return Param(
        default_sync(),
        type="string",
        pattern=_SYNC_NAME,
        title="Sync",
        description="Its Stripe key is in the connection stripe_<sync>.",
    )


def syncs_param() -> Param:
    """Names of several syncs."""
    return Param(
        [],
        type="array",
        items={"type": "string", "pattern": _SYNC_NAME},
        title="Syncs",
        description="Syncs to poll, one per line. Empty: all active syncs.",
    )


def consumers_param() -> Param:
    """Names of several consumers."""
    return Param(
        [],
        type="array",
        items={"type": "string", "pattern": _SYNC_NAME},
        title="Consumers",
        description="Consumers to deliver to, one per line. Empty: all that are not paused.",
    )


def backfill_params() -> dict[str, Param]:
    """Parameters of a backfill run."""
    return {
        "sync": sync_param(),
        "collections": _collections_param("Collections to backfill. Empty: all."),
        "since": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Created since",
            description="Only objects created on this day (UTC) or later. Empty: all objects.",
        ),
        "full": Param(
            False,
            type="boolean",
            title="Read everything again",
            description="Start over instead of continuing an interrupted backfill.",
        ),
        "requests_per_second": Param(
            None,
            type=["null", "number"],
            exclusiveMinimum=0,
            title="Requests per second",
            description="Maximum for this run. Empty: the setting of the sync's connection.",
        ),
    }


def reconcile_params() -> dict[str, Param]:
    """Parameters of a reconcile run."""
    return {
        "sync": _optional_sync_param("The sync to reconcile. Empty: all active syncs."),
        "collections": _collections_param(
            "Collections to read again. Empty: those that are due; with days to look back, all that"
            " can be read by creation time."
        ),
        "window": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            maximum=36_500,
            title="Days to look back",
            description="Only objects created within this number of days; deleted objects are not"
            " found then. Empty: all objects.",
        ),
        "everything": Param(
            False,
            type="boolean",
            title="All collections",
            description="If no collection is chosen: read all, due or not.",
        ),
    }


def reload_params() -> dict[str, Param]:
    """Parameters of a reload run."""
    return {
        "sync": sync_param(),
        "collections": _collections_param("Collections to reload. Empty: all in the lake."),
    }


def maintain_params() -> dict[str, Param]:
    """Parameters of a maintenance run."""
    return {"sync": _optional_sync_param("The sync to maintain. Empty: all syncs.")}


def erase_params() -> dict[str, Param]:
    """Parameters of a run that erases a customer."""
    return {
        "sync": sync_param(),
        "customer": Param(
            "",
            type="string",
            title="Customer",
            description="Its id, cus_…; for a guest that of a payment: pi_…, ch_… or cs_….",
        ),
        "confirm": Param("", type="string", title="Confirm", description="The id again."),
    }


def sync_admin_params() -> dict[str, Param]:
    """Parameters of a run that changes a sync."""
    return {
        "action": Param(
            "update",
            type="string",
            enum=["create", "update", "pause", "resume", "delete"],
            title="Action",
            description="What it does to the sync; a field that names other actions has no effect.",
        ),
        "sync": Param(
            default_sync(),
            type="string",
            pattern=_SYNC_NAME,
            title="Sync",
            description="Its name: lower-case letters, digits, - and _. Create: a new one.",
        ),
        "live": Param(
            False,
            type="boolean",
            title="Live mode",
            description="Create: whether its key is a live mode key.",
        ),
        "backfill": Param(
            True,
            type="boolean",
            title="Start its backfill",
            description="Create: trigger stripe_backfill for it. Afterwards stripe_poll keeps it up"
            " to date.",
        ),
        "connection_id": _text_param(
            "Connection",
            "Create, update: Airflow connection that has its key. Empty: no change; of a new sync"
            " stripe_<name of the sync>.",
        ),
        "collections": _collections_param(
            "Create, update: its collections. Empty: no change; of a new sync all."
        ),
        "settings": _object_param(
            "Settings",
            'Settings by name, such as {"max_age_days": 365, "exclude": ["customer.phone"]}; null'
            " removes one. Those that are left out stay as they are; a new sync has those of its"
            " connection.",
        ),
        "metadata": _object_param(
            "Metadata", 'Your own data, such as {"team": "billing"}; null removes a name.'
        ),
        "connected_account": _text_param(
            "Connected account",
            "Create, update: acct_… that the key acts on. The setting connected_accounts of a"
            " platform's sync (acct_…, or all) creates syncs by itself. All accounts of a platform"
            " share one read allotment (500 for each transaction, at least 10,000 in 30 days), so"
            " they are polled less often while nothing happens. The setting cadence: fixed polls"
            " twice a second, which takes 5,184,000 reads in 30 days for each account.",
        ),
        "external_id": _text_param("External id", "Create, update: your own id of it."),
        "drop_data": Param(
            False,
            type="boolean",
            title="Delete its data",
            description="Delete: also its records, change events and lake files.",
        ),
        "confirm": _text_param("Confirm", "Delete: the name of the sync again."),
    }


def replicate_params() -> dict[str, Param]:
    """Parameters of a run that replicates a sync."""
    return {
        "source": Param(
            default_sync(),
            type="string",
            title="Source",
            description="Name or id of the sync to copy.",
        ),
        "target": Param(
            "production",
            type="string",
            pattern=_SYNC_NAME,
            title="Target",
            description="Name of the live mode sync; created where it does not exist.",
        ),
        "connection_id": _text_param(
            "Connection",
            "Airflow connection that has its live mode key. Empty: the one that is stored with it,"
            " or stripe_<target>.",
        ),
        "apply": Param(
            False,
            type="boolean",
            title="Apply",
            description="Create or change the target and start its backfill. Off: a dry run, which"
            " only shows in the log what would be changed.",
        ),
    }


def mutate_params() -> dict[str, Param]:
    """Parameters of a run that writes to Stripe."""
    from stripe_sync import load_catalog, mutable_collections, verbs_of

    mutable = mutable_collections(load_catalog())
    titles = {collection.name: collection.title for collection in mutable}
    verbs = dict.fromkeys(verb for collection in mutable for verb in verbs_of(collection))
    first = ("create", "update", "delete")
    return {
        "sync": sync_param(),
        "collection": Param(
            "customer",
            type="string",
            enum=list(titles),
            values_display=titles,
            title="Collection",
            description="Of the objects to write. A refund is a create of Refund.",
        ),
        "kind": Param(
            "create",
            type="string",
            enum=[*first, *sorted(verbs.keys() - {*first})],
            title="Kind",
            description="What to do with each record. A collection has some of them; if it has not"
            " this one, the log of the task prepare lists those that it has.",
        ),
        "records": Param(
            [],
            type="array",
            items={"type": "object"},
            title="Records",
            description='JSON, 1 to 100 objects: Stripe\'s parameters, [{"name": "Paul"}]; for all'
            ' but create also the id: [{"id": "cus_1", "name": "Paul"}]. null unsets a field.'
            " Airflow keeps what you enter here with the run, readable for all who may read the"
            " DAG.",
        ),
        "on_error": Param(
            "stop",
            type="string",
            enum=["stop", "continue"],
            title="After a failure",
            description="stop: no further record is sent. continue: all are.",
        ),
        "await_consumers": Param(
            [],
            type="array",
            items={"type": "string"},
            title="Await consumers",
            description="Consumers that must have the changes before the run succeeds, one per"
            " line: lake, or your own.",
        ),
        "await_timeout": Param(
            30,
            type="number",
            minimum=0,
            maximum=600,
            title="Longest wait for them",
            description="In seconds. The write stands whatever happens.",
        ),
        "allow_unknown_params": Param(
            False,
            type="boolean",
            title="Unknown parameters",
            description="Send parameters that Stripe's SDK does not know: preview features.",
        ),
        "prepared": Param(
            None,
            type=["null", "string"],
            title="Prepared mutation",
            description="Instead of collection, kind and records: key of a mutation that is stored"
            " already and waits for approval.",
        ),
    }


def _object_param(title: str, description: str) -> Param:
    return Param({}, type="object", title=title, description=f"Create, update: {description}")


def _text_param(title: str, description: str) -> Param:
    return Param(None, type=["null", "string"], title=title, description=description)


def _optional_sync_param(description: str) -> Param:
    return Param(
        None, type=["null", "string"], pattern=_SYNC_NAME, title="Sync", description=description
    )


def _collections_param(description: str) -> Param:
    from stripe_sync import load_catalog

    titles = {collection.name: collection.title for collection in load_catalog().values()}
    return Param(
        [],
        type="array",
        title="Collections",
        description=description,
        examples=list(titles),
        values_display=titles,
    )


def parse_since(value: datetime | str | None) -> datetime | None:
    """A time from a DAG parameter or template.

    Args:
        value: ISO 8601 text, in UTC if it has no offset; None and empty text for "all objects".

    Raises:
        ConfigurationError: The text is not an ISO 8601 date or date and time.
    """
    if value is None or value == "":
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except ValueError as error:
        msg = f"since must be an ISO 8601 date such as 2026-01-31, not {value!r}"
        raise ConfigurationError(msg) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_syncs(value: Sequence[str] | str | None) -> list[str]:
    """Names of syncs from a DAG parameter or template.

    Args:
        value: A list, a list as text (``["eu", "us"]``), or names separated by commas. None, empty
            text and an empty list are no names.

    Raises:
        ConfigurationError: It is no list of names.
    """
    return parse_names(value, "syncs")
