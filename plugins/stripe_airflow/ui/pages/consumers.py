"""Consumers of the streams: how far behind each is, and what people do with one."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Query, Request, Response
from pydantic import ValidationError

from stripe_airflow.api.consumers import routes
from stripe_airflow.api.consumers.models import (
    ConsumerUpdate,
    DeadLetterList,
    RedeliverDeadLetters,
    ReplayConsumer,
)
from stripe_airflow.api.errors import ApiError
from stripe_airflow.api.rights import MANAGE
from stripe_airflow.hooks.warehouse import warehouse_url
from stripe_airflow.ui.airflow_state import airflow_state
from stripe_airflow.ui.forms import Sent
from stripe_airflow.ui.known_syncs import all_syncs
from stripe_airflow.ui.live import render_changed, render_whole
from stripe_airflow.ui.pages.consumer_form import (
    KINDS,
    FormValues,
    changed_consumer,
    kind_named,
    new_consumer,
)
from stripe_airflow.ui.rendering import render, segment
from stripe_airflow.ui.routing import go, page_router
from stripe_airflow.ui.shared import once_a_second
from stripe_airflow.ui.viewer import CurrentViewer
from stripe_sync import (
    ConfigurationError,
    ConsumerInfo,
    ConsumerNotFound,
    describe_consumers,
    get_consumer,
    load_catalog,
)

router = page_router()

_PAGE = 50


@router.get("/consumers")
def list_page(request: Request, viewer: CurrentViewer) -> Response:
    """All consumers, and the kinds that there are."""
    consumers = _consumers(warehouse_url())
    values = {"viewer": viewer, "consumers": consumers, "airflow": airflow_state()}
    return render_whole(request, "consumers.html", kinds=KINDS, **values)


@router.get("/consumers-changes")
def list_changes(request: Request, _viewer: CurrentViewer) -> Response:
    """The table, where it has changed."""
    consumers = _consumers(warehouse_url())
    return render_changed(request, "consumers_changes.html", consumers=consumers)


@router.get("/add-consumer")
def new_page(
    request: Request, viewer: CurrentViewer, kind: Annotated[str, Query()] = "pull"
) -> Response:
    """The form of a new consumer of a kind."""
    return render(
        request,
        "consumer_new.html",
        viewer=viewer,
        kind=kind_named(kind),
        kinds=KINDS,
        values=FormValues(),
        syncs=all_syncs().values(),
        catalog=load_catalog(),
    )


@router.post("/add-consumer", dependencies=[MANAGE])
def create(request: Request, _viewer: CurrentViewer, sent: Sent) -> Response:
    """Create a consumer; a webhook's secret is in this answer only."""
    created = routes.create(new_consumer(sent))
    _consumers.forget()
    if created.secret is None:
        return go(request, _path(created.consumer))
    return render(request, "consumer_secret.html", consumer=created.consumer, secret=created.secret)


@router.get("/consumers/{name}")
def page(
    name: str,
    request: Request,
    viewer: CurrentViewer,
    after: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """One consumer, and its dead letters page by page."""
    found = _found(name)
    return render_whole(
        request,
        "consumer.html",
        viewer=viewer,
        consumer=found,
        airflow=airflow_state(),
        after=after,
        titles={each.name: each.title for kind in KINDS for each in kind.settings},
        letters=_dead_letters(found.name, after),
    )


@router.get("/consumers/{name}/changes")
def changes(name: str, request: Request, viewer: CurrentViewer) -> Response:
    """The parts of the page that have changed, all but the dead letters."""
    values = {"viewer": viewer, "consumer": _found(name)}
    return render_changed(request, "consumer_changes.html", **values)


@router.get("/consumers/{name}/edit")
def edit_page(name: str, request: Request, viewer: CurrentViewer) -> Response:
    """The form of what can be changed of a consumer."""
    found = _found(name)
    kind = kind_named(found.kind)
    return render(
        request,
        "consumer_edit.html",
        viewer=viewer,
        consumer=found,
        kind=kind,
        values=FormValues.of(found, kind),
        syncs=all_syncs().values(),
        catalog=load_catalog(),
    )


@router.post("/consumers/{name}/edit", dependencies=[MANAGE])
def edit(name: str, request: Request, _viewer: CurrentViewer, sent: Sent) -> Response:
    """Change what it reads, and its settings."""
    body = changed_consumer(get_consumer(warehouse_url(), name), sent)
    return _changed(request, routes.update(name, body))


@router.post("/consumers/{name}/pause", dependencies=[MANAGE])
def pause(name: str, request: Request, _viewer: CurrentViewer) -> Response:
    """Deliver nothing more."""
    return _changed(request, routes.update(name, ConsumerUpdate(status="paused")))


@router.post("/consumers/{name}/resume", dependencies=[MANAGE])
def resume(name: str, request: Request, _viewer: CurrentViewer) -> Response:
    """Go on, and at once."""
    return _changed(request, routes.update(name, ConsumerUpdate(status="active")))


@router.post("/consumers/{name}/replay", dependencies=[MANAGE])
def replay(
    name: str,
    request: Request,
    _viewer: CurrentViewer,
    start: Annotated[str, Form(max_length=4000)],
    other: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Deliver again from a place."""
    place = other.strip() if start == "other" else start
    if not place:
        message = "name a duration such as 30m, or a time with its zone"
        raise ConfigurationError(message, param="other")
    return _changed(request, routes.replay(name, ReplayConsumer.model_validate({"from": place})))


@router.post("/consumers/{name}/rotate-secret", dependencies=[MANAGE])
def rotate(name: str, request: Request, _viewer: CurrentViewer) -> Response:
    """Make a new secret, which is in this answer only."""
    secret = routes.rotate(name).secret
    return render(request, "consumer_secret.html", consumer=_found(name), secret=secret)


@router.post("/consumers/{name}/delete", dependencies=[MANAGE])
def delete(name: str, request: Request, _viewer: CurrentViewer) -> Response:
    """Forget it; its target keeps what it has."""
    routes.delete(name)
    _consumers.forget()
    return go(request, "/consumers")


@router.post("/consumers/{name}/redeliver", dependencies=[MANAGE])
def redeliver(
    name: str,
    request: Request,
    _viewer: CurrentViewer,
    seq: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Deliver dead letters again: all, or one."""
    try:
        body = RedeliverDeadLetters(seqs=[int(seq)] if seq else None)
    except (ValueError, ValidationError):
        message = "seq: this is no stream position"
        raise ConfigurationError(message, param="seq") from None
    found = routes.redeliver(name, body)
    if seq and not found.redelivered:
        message = "it is no dead letter any more: reload the page"
        raise ApiError(404, "not_found", message, param="seq")
    if seq:  # the list stays as it is, so that a person can go on with the next one
        _dead_letters.forget()
        return render(request, "consumer_redelivered.html")
    return _changed(request, _found(name))


def _found(name: str) -> ConsumerInfo:
    """A consumer by its name, from what all viewers share.

    Raises:
        ConsumerNotFound: There is none.
    """
    for consumer in _consumers(warehouse_url()):
        if consumer.name == name:
            return consumer
    message = f"there is no consumer {name!r}"
    raise ConsumerNotFound(message, param="consumer")


def _changed(request: Request, consumer: ConsumerInfo) -> Response:
    """Load its page again."""
    _consumers.forget()
    _dead_letters.forget()
    return go(request, _path(consumer))


def _path(consumer: ConsumerInfo) -> str:
    return f"/consumers/{segment(consumer.name)}"


@once_a_second
def _consumers(warehouse: str) -> list[ConsumerInfo]:
    return describe_consumers(warehouse)


@once_a_second
def _dead_letters(name: str, after: str | None) -> DeadLetterList:
    return routes.list_dead_letters(name, after, _PAGE)
