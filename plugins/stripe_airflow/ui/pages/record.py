"""The page of a record, and the search for one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import anyio
from airflow.sdk.exceptions import AirflowNotFoundException
from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse

from stripe_airflow.api.mutations.background import connections
from stripe_airflow.api.streams.process import streams
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.links.dashboard import dashboard_url
from stripe_airflow.ui.known_syncs import all_syncs
from stripe_airflow.ui.pages.record_form import form_of
from stripe_airflow.ui.payloads.changes import (
    QueriedRecord,
    ShownChange,
    json_of,
    record_path,
    shown_change,
)
from stripe_airflow.ui.payloads.differences import CUT, main_fields
from stripe_airflow.ui.payloads.payload_tree import parsed_path, part_of, raw_json, tree_of
from stripe_airflow.ui.rendering import Links, render
from stripe_airflow.ui.routing import page_router
from stripe_airflow.ui.shared import task_once_a_second
from stripe_airflow.ui.viewer import CurrentViewer
from stripe_sync import (
    FoundRecord,
    RecentPage,
    RelatedRecords,
    Selection,
    StreamItem,
    StreamReader,
    StripeSyncError,
    SyncInfo,
    get_sync,
    load_catalog,
)

router = page_router()

_HISTORY = 20
_MOST_KEYS = 100
"""Changed keys of a change event in the history."""

_CHILDREN = 20
"""Children of each collection."""

Sync = Annotated[str, Query(max_length=200)]


@router.get("/records")
async def search(
    request: Request,
    viewer: CurrentViewer,
    q: Annotated[str, Query(max_length=500)] = "",
    sync: Sync = "",
) -> Response:
    """The record with an id; a list where several have it."""
    wanted = q.strip()
    found: list[FoundRecord] = []
    if wanted:
        found = await _find(await streams().get(), wanted)
        found = [each for each in found if each.sync == sync] or found
    if len(found) == 1:
        [one] = found
        path = record_path(one.collection_id, one.upstream_id)
        return RedirectResponse(Links(request).page(path, sync=one.sync), 303)
    return render(
        request,
        "records.html",
        viewer=viewer,
        wanted=wanted,
        records=[(each, record_path(each.collection_id, each.upstream_id)) for each in found],
        has_syncs=bool(await anyio.to_thread.run_sync(all_syncs)),
    )


@router.get("/records/{collection_id}/{upstream_id:path}")
async def record(
    request: Request,
    viewer: CurrentViewer,
    collection_id: str,
    upstream_id: str,
    sync: Sync = "",
) -> Response:
    """One record: its fields, its history, what belongs to it, and a form to change it."""
    reader = await streams().get()
    item = await _record(reader, collection_id, upstream_id, sync or None)
    related, syncs, (changes, before) = await asyncio.gather(
        _related(reader, item.sync_id, item.collection_id, upstream_id),
        anyio.to_thread.run_sync(all_syncs),
        history_of(str(item.sync_id), item.collection_id, upstream_id),
    )
    found = json_of(item)
    info = await anyio.to_thread.run_sync(_sync_of, syncs, item.sync_id)
    payload = found["payload"]

    def page() -> Response:
        form = form_of(item.collection_id, payload)
        return render(
            request,
            "record.html",
            viewer=viewer,
            record=found,
            changed_at=datetime.fromisoformat(found["upstream_updated_at"]),
            sync=info,
            title=_title(item.collection_id),
            fields=main_fields(payload),
            tree=tree_of(payload),
            dashboard=_dashboard(info, item.collection_id, upstream_id),
            parents=_parents(item.collection_id, payload, related),
            children=_children(related),
            most_children=_CHILDREN,
            changes=changes,
            before=before,
            form=form,
            sent=None,
            sync_name=info.name,
        )

    return await anyio.to_thread.run_sync(page)


@router.get("/record-part")
async def payload_part(
    request: Request,
    _viewer: CurrentViewer,
    named: QueriedRecord,
    part: str = "",
    offset: Annotated[int, Query(ge=0)] = 0,
    whole: bool = False,
) -> Response:
    """More of a payload: further keys of an object, or the whole of a text."""
    names = parsed_path(part)
    reader = await streams().get()
    item = await _record(reader, named.collection_id, named.upstream_id, named.sync or None)

    def answer() -> Response:
        payload = json_of(item)["payload"]
        if whole:
            value, _ = part_of(payload, names)
            text = value if isinstance(value, str) else raw_json(value)
            return render(request, "record_text.html", text=text)
        return render(
            request,
            "record_part.html",
            tree=tree_of(payload, names, offset),
            record={"collection_id": item.collection_id, "upstream_id": item.upstream_id},
            sync_name=named.sync,
        )

    return await anyio.to_thread.run_sync(answer)


@router.get("/record-history")
async def history(
    request: Request,
    _viewer: CurrentViewer,
    named: QueriedRecord,
    before: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Older changes of a record."""
    changes, older = await history_of(
        named.sync, named.collection_id, named.upstream_id, before or None
    )
    return await anyio.to_thread.run_sync(
        lambda: render(
            request,
            "record_history.html",
            record={"collection_id": named.collection_id, "upstream_id": named.upstream_id},
            sync_name=named.sync,
            changes=changes,
            before=older,
        )
    )


async def history_of(
    sync: str, collection_id: str, upstream_id: str, before: str | None = None
) -> tuple[list[ShownChange], str | None]:
    """Changes of a record, newest first, and where older ones begin."""
    selection = Selection.of(
        "events", syncs=[sync], collections=[collection_id], upstream_id=upstream_id
    )
    page = await _recent(await streams().get(), selection, before)
    syncs = await anyio.to_thread.run_sync(all_syncs)

    def shown() -> list[ShownChange]:
        return [
            shown_change(
                each.item,
                syncs,
                most_keys=_MOST_KEYS,
                source=each.source,
                stripe_event_id=each.stripe_event_id,
            )
            for each in page.events
        ]

    return await anyio.to_thread.run_sync(shown), page.before


def forget_records() -> None:
    """Read records and their history anew, because one was changed."""
    for shared in (_find, _record, _related, _recent):
        shared.forget()


@task_once_a_second
async def _find(reader: StreamReader, upstream_id: str) -> list[FoundRecord]:
    return await reader.find(upstream_id)


@task_once_a_second
async def _record(
    reader: StreamReader, collection_id: str, upstream_id: str, sync: str | None
) -> StreamItem:
    return await reader.record(collection_id, upstream_id, sync=sync)


@task_once_a_second
async def _related(
    reader: StreamReader, sync_id: UUID, collection_id: str, upstream_id: str
) -> RelatedRecords:
    collections = [*load_catalog(), *load_catalog().parent_only]
    return await reader.related(
        sync_id, collection_id, upstream_id, collections=collections, limit=_CHILDREN + 1
    )


@task_once_a_second
async def _recent(reader: StreamReader, selection: Selection, before: str | None) -> RecentPage:
    return await reader.recent(selection, before=before, limit=_HISTORY)


def _title(collection_id: str) -> str:
    catalog = load_catalog()
    found = catalog.get(collection_id) or catalog.parent_only.get(collection_id)
    return found.title if found else collection_id


def _dashboard(sync: SyncInfo, collection_id: str, upstream_id: str) -> str:
    """Address of the object in Stripe's Dashboard; empty where there is none."""
    try:
        credential = connections()(sync.name).credential
    except (AirflowNotFoundException, StripeSyncError):
        return ""  # the page is complete without the link
    return dashboard_url(credential, collection_id, upstream_id)


def _parents(
    collection_id: str, payload: Mapping[str, Any], related: RelatedRecords
) -> list[tuple[str, str]]:
    """Field and id of each object that a record belongs to or names."""
    found: dict[str, str] = {}
    if related.parent_id:
        found[related.parent_id] = "belongs to"
    for collection in load_catalog().values():
        name = collection.object.rpartition(".")[2]
        value = payload.get(name)
        value = value.get("id") if isinstance(value, dict) else value
        if isinstance(value, str) and 0 < len(value) <= CUT and collection.id != collection_id:
            found.setdefault(value, name.replace("_", " "))
    return [(name, value) for value, name in found.items()]


def _children(related: RelatedRecords) -> list[tuple[str, list[tuple[FoundRecord, str]]]]:
    return [
        (
            _title(collection_id),
            [(each, record_path(each.collection_id, each.upstream_id)) for each in records],
        )
        for collection_id, records in related.children.items()
    ]


def _sync_of(syncs: Mapping[str, SyncInfo], sync_id: UUID) -> SyncInfo:
    """The sync of a record; one that is newer than a second is not among the known ones.

    Raises:
        SyncNotFound: It was deleted meanwhile.
    """
    return syncs.get(str(sync_id)) or get_sync(warehouse_url(), str(sync_id))
