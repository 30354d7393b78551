from __future__ import annotations

from typing import Any

import pytest

from stripe_sync.catalog import Catalog
from stripe_sync.catalog.catalog import read_collections
from stripe_sync.errors import CatalogError
from stripe_sync.records import canonical_json

WIDGET_LIST = {"path": "/v1/widgets", "filters": ["created", "status"]}
NESTED = {"path": "/v1/widgets/{widget}/parts", "parent": "stripe:widget"}
SOURCE = {"collection": "stripe:widget", "field": "part"}


def widget(**changes: Any) -> dict[str, Any]:
    row = {
        "id": "stripe:widget",
        "title": "Widget",
        "object": "widget",
        "view": "widgets",
        "retrieval": "top_level_list",
        "lists": [WIDGET_LIST],
        "retrieve": "/v1/widgets/{id}",
        "no_change_signal": "-",
        "permissions": {"read": ["widget_read"]},
    }
    return {**row, **changes}


def part(**changes: Any) -> dict[str, Any]:
    row = {
        "id": "stripe:part",
        "title": "Part",
        "object": "part",
        "view": "parts",
        "retrieval": "nested_list",
        "lists": [NESTED],
        "no_change_signal": "-",
        "permissions": {"read": ["widget_read"]},
    }
    return {**row, **changes}


def catalog(*rows: dict[str, Any]) -> Catalog:
    return Catalog(read_collections("test.json", canonical_json.dumps(rows)))


def test_accepts_collections_without_contradictions() -> None:
    assert list(catalog(widget(), part())) == ["stripe:part", "stripe:widget"]


def test_accepts_a_parent_only_parent() -> None:
    rows = catalog(widget(parent_only=True), part())
    assert list(rows) == ["stripe:part"]
    assert list(rows.parent_only) == ["stripe:widget"]


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"permissions": {"read": ["widget"]}}, "does not end in _read or _write"),
        ({"permissions": {}}, "permissions need read"),
        ({"mutations": {"create": ["POST /v1/widgets"]}}, "permissions need write"),
        (
            {"permissions": {"read": ["widget_read"], "write": ["widget_write"]}},
            "there are no mutations",
        ),
        ({"id": "widget"}, "the id must look like stripe:customer"),
        ({"id": "stripe.widget"}, "the id must look like"),
        ({"view": "3d"}, "view '3d' is no free SQL name"),
        ({"view": "Widgets"}, "no free SQL name"),
        ({"view": "events"}, "view 'events' is no free SQL name"),
        ({"key": []}, "the key is empty"),
        ({"key": ["id."]}, "key 'id.' is no dotted path"),
        ({"key": ["id", "id"]}, "key repeats itself"),
        ({"sensitive": ["a..b"]}, "sensitive 'a..b' is no dotted path"),
        ({"volatile": [""]}, "volatile '' is no dotted path"),
        ({"expand": ["data.*"]}, r"expand 'data.\*' is no dotted path"),
        ({"retrieve": "/v1/widgets"}, "no path with a placeholder"),
        ({"retrieve": "v1/widgets/{id}"}, "no path with a placeholder"),
        ({"retrieve": None, "retrieve_alternatives": ["/v1/w/{id}"]}, "need retrieve"),
        ({"mutations": {"create": ["PUT /v1/widgets"]}}, "is not METHOD /path"),
        ({"mutations": {"delete": ["DELETE widgets"]}}, "is not METHOD /path"),
        (
            {"mutations": {"actions": ["DELETE /v1/widgets/{id}/part"]}},
            "is not POST /path/.id./name",
        ),
        (
            {"mutations": {"delete": ["DELETE /v1/w/{id}", "DELETE /v1/o/{owner}/w/{id}"]}},
            "comes before a route with more placeholders",
        ),
        ({"events": {"created": ["w.made"], "updated": ["w.made"]}}, "w.made has two roles"),
        ({"events": {"created": ["w.made", "w.made"]}}, "w.made has two roles"),
        ({"events": {"legacy": ["w.made"]}}, "legacy Stripe event w.made has no role"),
        (
            {"reread_schedule": [{"days": 1, "reason": "-"}]},
            "days and minutes of a re-read go together",
        ),
        (
            {"reread_schedule": [{"reason": "-"}, {"reason": "-"}]},
            "reread_schedule has a window twice",
        ),
        (
            {
                "lists": [{**WIDGET_LIST, "filters": []}],
                "reread_schedule": [{"days": 1, "minutes": 15, "reason": "-"}],
            },
            "needs a list with a created filter",
        ),
        ({"availability": "legacy"}, "an api_version goes with availability legacy"),
        ({"api_version": "2020-08-27"}, "an api_version goes with availability legacy"),
        ({"availability": "legacy", "api_version": "old"}, "'old' is no Stripe-Version"),
    ],
)
def test_refuses_a_collection_that_contradicts_itself(changes: dict[str, Any], cause: str) -> None:
    with pytest.raises(CatalogError, match=cause) as error:
        catalog(widget(**changes))
    assert changes.get("id", "stripe:widget") in str(error.value)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"path": "widgets"}, "malformed path"),
        ({"path": "/v1/Widgets"}, "malformed path"),
        ({"path": "/v1/widgets/"}, "malformed path"),
        ({"path": "/v1/widgets/{widget}/parts"}, "placeholders and embedded need a parent"),
        ({"embedded": "parts"}, "placeholders and embedded need a parent"),
        ({"params": {"colour": "red"}}, "parameter 'colour' is not among the filters"),
        ({"params": {"colour[in]": "red"}}, "parameter 'colour' is not among the filters"),
        ({"complete_since": "clover"}, "complete_since 'clover' is no Stripe-Version"),
        ({"variants": [{"size": "s"}]}, "parameter 'size' is not among the filters"),
        (
            {"params": {"status": "all"}, "variants": [{"status": "open"}]},
            "a variant overrides a parameter",
        ),
    ],
)
def test_refuses_a_list_that_cannot_be_requested(changes: dict[str, Any], cause: str) -> None:
    with pytest.raises(CatalogError, match=f"stripe:widget: list .*{cause}"):
        catalog(widget(lists=[{**WIDGET_LIST, **changes}]))


def test_a_list_that_is_incomplete_in_older_versions_needs_a_fallback() -> None:
    lists = [{**WIDGET_LIST, "complete_since": "2025-12-15.clover"}]
    fallback = {"path": "/v1/boxes/{box}/widgets", "parent": "stripe:box"}
    with pytest.raises(CatalogError, match="stripe:widget: complete_since needs fallback_lists"):
        catalog(widget(lists=lists))
    box = widget(id="stripe:box", title="Box", object="box", view="boxes")
    assert catalog(widget(lists=lists, fallback_lists=[fallback]), box)


@pytest.mark.parametrize("path", ["/v1/parts", "/v1/widgets/{widget}/parts/{part}"])
def test_a_nested_list_has_exactly_one_placeholder(path: str) -> None:
    with pytest.raises(CatalogError, match=r"stripe:part: list .* exactly one placeholder"):
        catalog(widget(), part(lists=[{**NESTED, "path": path}]))


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({"retrieval": "top_level_list"}, "a list without parent"),
        ({"retrieval": "top_level_list", "lists": []}, "a list without parent"),
        ({"retrieval": "nested_list", "lists": [WIDGET_LIST]}, "a list with parent"),
        ({"retrieval": "embedded"}, "sources"),
        ({"retrieval": "expanded"}, "sources"),
        ({"retrieval": "retrieve_only", "sources": [SOURCE]}, "sources and a retrieve path"),
        ({"retrieval": "retrieve_only", "retrieve": "/v1/p/{id}"}, "sources and a retrieve path"),
        ({"retrieval": "preview"}, "a preview call or sources"),
        ({"retrieval": "event_only"}, "Stripe events"),
        ({"retrieval": "create_only"}, "a create call"),
    ],
)
def test_each_retrieval_needs_certain_fields(changes: dict[str, Any], needed: str) -> None:
    with pytest.raises(CatalogError, match=f"stripe:part: retrieval .* needs {needed}"):
        catalog(widget(), part(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"lists": [{**NESTED, "parent": "stripe:gone"}]},
        {"fallback_lists": [{**NESTED, "parent": "stripe:gone"}]},
        {"sources": [{"collection": "stripe:gone", "field": "part"}]},
        {"preview": {"path": "/v1/p", "parent": "stripe:gone", "params": {"widget": "{widget}"}}},
    ],
)
def test_related_collections_must_exist(changes: dict[str, Any]) -> None:
    with pytest.raises(CatalogError, match="stripe:part: refers to stripe:gone"):
        catalog(widget(), part(**changes))


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"id": "stripe:widget"}, "stripe:widget: id is not unique"),
        ({"view": "widgets"}, "widgets: view is not unique"),
        ({"title": "Widget"}, "Widget: title is not unique"),
        ({"object": "widget"}, "object widget belongs to 2 collections"),
    ],
)
def test_refuses_collections_with_the_same_name(changes: dict[str, Any], cause: str) -> None:
    with pytest.raises(CatalogError, match=cause):
        catalog(widget(), part(**changes))


def test_a_preview_may_share_its_object_name() -> None:
    preview = {"path": "/v1/preview", "parent": "stripe:widget", "params": {"widget": "{widget}"}}
    rows = catalog(widget(), part(retrieval="preview", object="widget", lists=[], preview=preview))
    assert [row.name for row in rows.route("widget")] == ["widget"]


def test_a_collection_about_the_objects_of_another_shares_their_object_name() -> None:
    about = part(objects_of="stripe:widget", object="widget")
    rows = catalog(widget(), about)
    assert [row.name for row in rows.route("widget")] == ["widget"]
    with pytest.raises(CatalogError, match="its objects cannot be those of stripe:widget"):
        catalog(widget(), {**about, "object": "part"})
    with pytest.raises(CatalogError, match="stripe:part: refers to stripe:gone"):
        catalog(widget(), {**about, "objects_of": "stripe:gone"})


@pytest.mark.parametrize("params", [{}, {"widget": "w_1"}, {"a": "{widget}", "b": "{part}"}])
def test_a_preview_has_exactly_one_placeholder(params: dict[str, str]) -> None:
    preview = {"path": "/v1/preview", "parent": "stripe:widget", "params": params}
    with pytest.raises(CatalogError, match="stripe:part: preview needs"):
        catalog(widget(), part(retrieval="preview", preview=preview))


def test_a_source_is_a_dotted_path() -> None:
    source = {**SOURCE, "field": "part[]"}
    with pytest.raises(CatalogError, match="stripe:part: source 'part\\[\\]' is no dotted path"):
        catalog(widget(), part(sources=[source]))


@pytest.mark.parametrize(
    "way",
    [
        {"events": {"updated": ["part.updated"]}},
        {"lists": [{**NESTED, "embedded": "parts"}]},
        {"lists": [{**NESTED, "refreshed_by": [{"events": ["widget.updated"]}]}]},
        {"retrieval": "embedded", "sources": [SOURCE]},
        {"reread_schedule": [{"reason": "-"}]},
    ],
)
def test_a_collection_has_a_change_signal_or_a_reason_why_not(way: dict[str, Any]) -> None:
    catalog(widget(), part(**way, no_change_signal=""))
    for changes in ({"no_change_signal": ""}, way):
        with pytest.raises(CatalogError, match="stripe:part: needs either a change signal"):
            catalog(widget(), part(**changes))


@pytest.mark.parametrize(
    "way",
    [
        {"events": {"ignored": ["part.asked"]}},
        {"events": {"updated": ["part.updated"], "legacy": ["part.updated"]}},
        {"lists": [{**NESTED, "embedded": "parts", "expand": True}]},
        {"retrieval": "expanded", "sources": [SOURCE]},
    ],
)
def test_ignored_legacy_and_expanded_sources_are_no_change_signal(way: dict[str, Any]) -> None:
    with pytest.raises(CatalogError, match="stripe:part: needs either a change signal"):
        catalog(widget(), part(**way, no_change_signal=""))


def test_a_list_embedded_in_a_parent_only_collection_is_no_change_signal() -> None:
    embedded = part(lists=[{**NESTED, "embedded": "parts"}], no_change_signal="")
    with pytest.raises(CatalogError, match="stripe:part: needs either a change signal"):
        catalog(widget(parent_only=True), embedded)


def test_a_parent_only_collection_needs_no_change_signal() -> None:
    assert catalog(widget(parent_only=True, no_change_signal=""), part()).parent_only


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(CatalogError, match=r"stripe:part: .*; stripe:widget: "):
        catalog(widget(key=[]), part(key=[]))


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (b"[", "test.json: "),
        (b"{}", "test.json: not an array of collections"),
        (b"[7]", "test.json: entry 0: "),
        (b'[{"id": "stripe:x"}]', "test.json: stripe:x: title: Field required"),
    ],
)
def test_the_error_of_an_unreadable_file_has_its_name(text: bytes, cause: str) -> None:
    with pytest.raises(CatalogError, match=cause):
        read_collections("test.json", text)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"retrieval": "somehow"}, "stripe:widget: retrieval: "),
        ({"colour": "red"}, "stripe:widget: colour: Extra inputs"),
        ({"lists": [{"path": "/v1/w", "order": "x"}]}, "stripe:widget: lists.0.order: Extra"),
    ],
)
def test_the_error_of_an_unknown_field_has_its_name(changes: dict[str, Any], cause: str) -> None:
    with pytest.raises(CatalogError, match=cause):
        catalog(widget(**changes))
