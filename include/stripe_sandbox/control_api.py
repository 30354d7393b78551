"""The control interface under ``/_sandbox``, for tests and demos.

It has no password: the server binds the loopback address only.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, ValidationError

from stripe_sandbox.errors import ApiError
from stripe_sandbox.resources.nested_lists import EMBEDDED_LISTS
from stripe_sandbox.resources.registry import RESOURCES
from stripe_sandbox.seeds import big_platform, bulk_seed, demo_shop
from stripe_sandbox.settings import Settings
from stripe_sandbox.state.sandbox_state import ACCOUNT, KeyTrouble, Mode, State, StateHolder
from stripe_sandbox.storage.stored_object import Doc
from stripe_sandbox.writes import child_relations


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AccountMode(_Body):
    """The account and mode of a command."""

    account: str = ACCOUNT
    livemode: bool = False


class SeedBody(AccountMode):
    """The objects to create; see ``SeedPlan``."""

    counts: dict[str, int]
    start: int | None = None
    end: int | None = None
    seed: int = 0
    spread: bulk_seed.Spread = "even"
    emit: bool = False
    children: dict[str, dict[str, list[int]]] = {}


class PlatformBody(AccountMode):
    """The share of the big platform account to create."""

    share: float = 1.0


class ClockBody(_Body):
    """Move, stop (at a second) or restart the clock."""

    advance: float | None = None
    freeze: float | None = None
    run: bool = False


class KeyBody(_Body):
    """An API key, its permissions (null means all), and why it is refused (null: it is not)."""

    key: str
    account: str = ACCOUNT
    permissions: list[str] | None = None
    trouble: KeyTrouble | None = None


class AccountBody(_Body):
    """A connected account."""

    account: str
    api_version: str | None = None


class MutateBody(AccountMode):
    """A change without a Stripe event."""

    object: str
    id: str
    changes: dict[str, Any] | None = None
    remove: bool = False


class EventsBody(AccountMode):
    """Stripe events to append as they are."""

    events: list[dict[str, Any]]
    after: float = 0.0
    delivered: bool = True


async def _holder_of(request: Request) -> StateHolder:
    """The state of the sandbox that the request is for."""
    holder: StateHolder = request.state.holder
    return holder


Holder = Annotated[StateHolder, Depends(_holder_of)]

router = APIRouter(prefix="/_sandbox")


@cache
def control_app() -> FastAPI:
    """The control interface; its requests' ``state`` has the sandbox's ``holder``.

    All sandboxes of a process share it: it takes 50 ms to make, the rest of one 3 ms.
    """
    app = FastAPI(title="Stripe sandbox", docs_url="/_sandbox/docs", redoc_url=None)
    app.include_router(router)

    @app.exception_handler(ApiError)
    async def refuse(_: Request, error: Exception) -> Response:
        body = error.body if isinstance(error, ApiError) else {}
        status = error.status if isinstance(error, ApiError) else 500
        return _json({"error": body}, status)

    return app


def _mode(holder: StateHolder, target: AccountMode) -> Mode:
    found = holder.state.modes.get((target.account, target.livemode))
    if found is None:
        raise HTTPException(404, f"no account {target.account}")
    return found


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


@router.get("/settings")
async def read_settings(holder: Holder) -> Settings:
    """The settings."""
    return holder.state.settings


@router.patch("/settings")
async def change_settings(holder: Holder, changes: dict[str, Any]) -> Settings:
    """Change some settings."""
    merged = {**holder.state.settings.model_dump(), **changes}
    try:
        holder.state.settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise HTTPException(422, str(error)) from None
    return holder.state.settings


@router.get("/clock")
async def read_clock(holder: Holder) -> dict[str, Any]:
    """The sandbox's time, in seconds, and whether it stands."""
    clock = holder.state.clock
    return {"now": clock.now(), "frozen": clock.frozen is not None}


@router.post("/clock")
async def change_clock(holder: Holder, body: ClockBody) -> dict[str, Any]:
    """Stop, move or restart the clock."""
    clock = holder.state.clock
    if body.run:
        clock.frozen = None
    if body.freeze is not None:
        clock.frozen = body.freeze
    if body.advance is not None:
        clock.advance(body.advance)
    return {"now": clock.now(), "frozen": clock.frozen is not None}


@router.post("/reset")
async def reset(holder: Holder) -> dict[str, bool]:
    """Forget everything."""
    holder.state = State(Settings())
    return {"reset": True}


@router.post("/seed")
async def seed(holder: Holder, body: SeedBody) -> dict[str, int]:
    """Create many objects; returns how many of each."""
    for name in body.counts:
        if name not in RESOURCES:
            raise HTTPException(404, f"no collection {name}")
        if name in EMBEDDED_LISTS:
            raise HTTPException(422, f"{name} objects are made with their parents (children)")
    plan = bulk_seed.SeedPlan(
        body.counts,
        body.start,
        body.end,
        body.seed,
        body.spread,
        emit=body.emit,
        children=body.children,
    )
    return bulk_seed.seed(holder.state, _mode(holder, body), plan)


@router.post("/demo")
async def demo(holder: Holder, body: AccountMode) -> dict[str, int]:
    """Create the demo's shop."""
    return demo_shop.fill(holder.state, _mode(holder, body))


@router.post("/platform")
async def make_platform(holder: Holder, body: PlatformBody) -> dict[str, int]:
    """Create a share of the big platform account."""
    return big_platform.fill(holder.state, _mode(holder, body), body.share)


@router.post("/put")
async def put(holder: Holder, request: Request) -> Response:
    """Create or replace objects."""
    body = orjson.loads(await request.body())
    target = AccountMode(account=body.get("account", ACCOUNT), livemode=body.get("livemode", False))
    mode = _mode(holder, target)
    count = 0
    for doc in body["objects"]:
        _put(mode, doc, emit=bool(body.get("emit")), as_given=body.get("as_given", True))
        count += 1
    return _json({"objects": count})


@router.post("/mutate")
async def mutate(holder: Holder, body: MutateBody) -> Response:
    """Change or remove an object without a Stripe event."""
    collection = _mode(holder, body).store[body.object]
    stored = collection.by_id.get(body.id)
    if stored is None:
        raise HTTPException(404, f"no {body.object} {body.id}")
    if body.remove:
        collection.remove(body.id)
        return _json({"removed": body.id})
    doc = {**stored.doc(), **(body.changes or {})}
    return Response(collection.put(doc).json, media_type="application/json")


@router.post("/events")
async def append_events(holder: Holder, request: Request) -> Response:
    """Append Stripe events as they are."""
    body = EventsBody.model_validate(orjson.loads(await request.body()))
    log = _mode(holder, body).log
    for event in body.events:
        log.append(event, after=body.after)
        if not body.delivered:
            log.undelivered.add(str(event["id"]))
    return _json({"events": len(body.events)})


@router.get("/objects/{name}")
async def dump(
    holder: Holder, name: str, account: str = ACCOUNT, *, livemode: bool = False
) -> Response:
    """All objects of a collection."""
    store = _mode(holder, AccountMode(account=account, livemode=livemode)).store
    if name not in RESOURCES:
        raise HTTPException(404, f"no collection {name}")
    return _json(list(store.all_objects(name)))


def _put(mode: Mode, doc: Doc, *, emit: bool, as_given: bool) -> None:
    name = str(doc.get("object"))
    if name not in RESOURCES:
        raise HTTPException(404, f"no collection {name}")
    collection = mode.store[name]
    old = collection.by_id.get(collection.key(doc))
    before = old.default_view() if old is not None else None
    shown = collection.put(doc, as_given=as_given).default_view()
    child_relations.refresh_relations(mode.store, doc)
    verb = "created" if before is None else "updated"
    for kind in child_relations.event_types_of(doc, verb) if emit else ():
        mode.log.write(kind, shown, old=before)


@router.post("/keys")
async def add_key(holder: Holder, body: KeyBody) -> dict[str, bool]:
    """Add or replace an API key."""
    allowed = None if body.permissions is None else frozenset(body.permissions)
    holder.state.add_key(body.key, body.account, allowed, body.trouble)
    return {"added": True}


@router.post("/keys/remove")
async def remove_key(holder: Holder, body: KeyBody) -> dict[str, bool]:
    """Remove an API key."""
    return {"removed": holder.state.keys.pop(body.key, None) is not None}


@router.post("/accounts")
async def add_account(holder: Holder, body: AccountBody) -> dict[str, str]:
    """Connect an account, or change its API version."""
    if body.account not in holder.state.versions:
        holder.state.add_account(body.account, body.api_version)
    holder.state.list_connected(body.account)
    holder.state.versions[body.account] = body.api_version
    return {"account": body.account}


@router.post("/accounts/disconnect")
async def disconnect(holder: Holder, body: AccountBody) -> dict[str, bool]:
    """Disconnect an account."""
    return {"disconnected": holder.state.disconnect(body.account)}


@router.get("/stats")
async def stats(
    holder: Holder, account: str = ACCOUNT, *, livemode: bool = False
) -> dict[str, Any]:
    """Counts of requests and objects."""
    mode = _mode(holder, AccountMode(account=account, livemode=livemode))
    objects = {k: len(c) for k, c in mode.store.collections.items() if len(c)}
    return {**mode.meter.report(), "objects": objects}


@router.post("/stats/reset")
async def reset_stats(holder: Holder) -> dict[str, bool]:
    """Count requests from zero again."""
    for mode in holder.state.modes.values():
        mode.meter.reset()
    return {"reset": True}
