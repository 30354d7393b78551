"""What the routes answer that are like no other: discounts, previews, many lines at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stripe_sandbox import children, discounts, expand, forms, invoice_lines, previews, sdk, writes
from stripe_sandbox.endpoints import Request, dressed, envelope, one, writer
from stripe_sandbox.entries import Doc, view
from stripe_sandbox.routes import Match
from stripe_sandbox.rows import Place
from stripe_sandbox.state import State

Operation = Callable[[State, Match, Request], bytes]

_EXPAND = {"expand": forms.PAGING["expand"]}
_SUBJECT = forms.named({"customer": "str", "subscription": "str", "schedule": "str"})
_LINES = Place("/v1/invoices/{invoice}/lines", "invoice", ("line_item",), "lines")


def _discount(state: State, match: Match, request: Request) -> bytes:
    given = forms.coerce_all(request.tree, _EXPAND)
    tree = expand.parse(given.get("expand") or [], "discount", in_list=False)
    return dressed(discounts.of(request.store, _owner(match, request)), tree, request)


def _end_discount(state: State, match: Match, request: Request) -> bytes:
    left = discounts.end(writer(state, request), _owner(match, request))
    return dressed(left, {}, request)


def _owner(match: Match, request: Request) -> Doc:
    entry = request.store[match.route.resource.object].by_id.get(match.ids[0])
    if entry is None:
        raise writes.missing(match.route.resource, match.ids[0])
    return entry.doc()


def _preview(state: State, match: Match, request: Request) -> bytes:
    given = forms.coerce_all(request.tree, sdk.params("invoice", "create_preview") or {})
    tree = expand.parse(given.get("expand") or [], "invoice", in_list=False)
    doc = previews.compute(request.store, given, state.new_id("upcoming_in_"))
    previews.remember(request.store, doc)
    return dressed(view(doc, ()), tree, request)


def _upcoming(state: State, match: Match, request: Request) -> bytes:
    given = forms.coerce_all(request.tree, {**_SUBJECT, **_EXPAND})
    tree = expand.parse(given.get("expand") or [], "invoice", in_list=False)
    doc = view(previews.compute(request.store, given, "upcoming"), ())
    query = "&".join(f"{name}={given[name]}" for name in _SUBJECT if given.get(name))
    doc["lines"] = {**doc["lines"], "url": f"/v1/invoices/upcoming/lines?{query}"}
    del doc["id"]
    return dressed(doc, tree, request)


def _upcoming_lines(state: State, match: Match, request: Request) -> bytes:
    given = forms.coerce_all(request.tree, {**_SUBJECT, **forms.PAGING})
    doc = previews.compute(request.store, given, "upcoming")
    query = children.parse(_LINES, {k: v for k, v in request.tree.items() if k not in _SUBJECT})
    family = children.Family(_LINES, request.store, "upcoming", doc)
    docs, more = children.page(family, query)
    tree = expand.parse(query.expand, "line_item", in_list=True)
    return envelope([dressed(one, tree, request) for one in docs], more, children.url(family))


def _lines(state: State, match: Match, request: Request) -> bytes:
    rest = dict(request.tree)
    given = forms.coerce_all({"expand": rest.pop("expand", {})}, _EXPAND)
    invoice_id = invoice_lines.change(writer(state, request), match, rest)
    return one(match.route.resource, invoice_id, given.get("expand") or [], request)


OPERATIONS: Mapping[str, Operation] = {
    "discount": _discount,
    "end_discount": _end_discount,
    "preview": _preview,
    "upcoming": _upcoming,
    "upcoming_lines": _upcoming_lines,
    "add_lines": _lines,
    "update_lines": _lines,
    "remove_lines": _lines,
}
"""By the name of the operation."""
