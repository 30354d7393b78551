"""How a resource and a list under a parent are described."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NEWEST_VERSION = "2026-10-28.endive"
"""The newest API version; objects are stored in its format."""

LAST_LEGACY = "2020-08-27"
"""The newest version that still has the routes that Stripe retired in 2022."""

LAST_BEFORE_BASIL = "2025-02-24.acacia"
"""The newest version that has usage records, and upcoming invoices by GET."""


_PERMISSIONS = {
    "account": "connected_account",
    "balance_transaction": "balance_transaction_source",
    "billing.credit_grant": "credit_grant",
    "billing_portal.session": "customer_portal",
    "entitlements.feature": "entitlement",
    "invoice_payment": "invoice",
    "invoiceitem": "invoice",
    "order_return": "order",
    "payment_link": "payment_links",
    "price": "plan",
    "radar.early_fraud_warning": "radar",
    "refund": "charge",
    "reporting.report_run": "report_runs_and_report_types",
    "subscription_schedule": "subscription",
    "tax_id": "customer",
    "test_helpers.test_clock": "billing_clock",
    "topup": "top_up",
}
"""Names in the permissions of restricted keys that are not the object's, as Stripe has them."""


@dataclass(frozen=True, slots=True)
class DefaultFilter:
    """The filter of a list request without parameters; ``param`` lifts it."""

    field: str
    value: Any
    equal: bool = True
    param: str | None = None

    def hides(self, doc: Mapping[str, Any]) -> bool:
        """Whether a list request without parameters omits the object."""
        return (doc.get(self.field) == self.value) is not self.equal


@dataclass(frozen=True, slots=True)
class FilterTarget:
    """The object that the value of a list filter names; it must exist.

    Attributes:
        object: Its kind.
        field: A field of it that must be true.
        message: Stripe's message where it is not.
    """

    object: str
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class ExpandableList:
    """A list that is absent until expanded, and then read from other collections."""

    objects: tuple[str, ...]
    foreign_key: str
    url: str


@dataclass(frozen=True, slots=True)
class Action:
    """An action on one object, such as finalizing an invoice.

    Attributes:
        sets: Fields that it sets.
        event: Type of the Stripe event that it writes.
        only: A field, and the values of it that allow the action.
        merges: Its parameters are merged into the object.
    """

    sets: Mapping[str, Any]
    event: str | None
    only: tuple[str, tuple[Any, ...]] = ("", ())
    merges: bool = True


@dataclass(frozen=True, slots=True)
class EventTypes:
    """Types of the Stripe events that a creation, an update and a deletion write."""

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()


def event_types(noun: str, *verbs: str) -> EventTypes:
    """Event types with regular names, such as ``coupon.created``."""
    return EventTypes(**{verb: (f"{noun}.{verb}",) for verb in verbs})


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object.

    Attributes:
        object: The value of the ``object`` field.
        path: List and create route; empty when the object has none of its own.
        prefix: Prefix of ids.
        id_param: Name of the id in the retrieve route.
        ops: Letters: l list, r retrieve, c create, u update, d delete.
        events: Types of the Stripe events that its writes cause.
        on_delete: What DELETE leaves: "missing" (404), "stub" (200), "cancel" (the object stays).
        created_field: Field with the creation time.
        default_filter: What a list request without parameters omits.
        filter_groups: Values of the default filter's parameter that mean several values; () means
            all.
        test_clock_params: Parameters that list objects of test clocks, which are hidden without.
        expandable_fields: Stored fields that are absent until expanded; ``a.b`` is inside ``a``.
        expandable_lists: Lists that are absent until expanded, read from other collections.
        internal_fields: Stored fields that no response has; they serve filters only.
        filter_paths: The dotted path of a filter that is not named like its field.
        filter_targets: Objects that filters name, where the list checks them.
        default_params: Filters that apply unless the request has them.
        lists_all_since: The version since which the list has everything; in older ones it is empty
            unless the request names a customer. Empty for all versions.
        extra_filters: Filters that the SDK does not know, by type name.
        extra_params: Parameters of creations that the SDK does not know, by type name.
        custom_id: The user may choose the id.
        last_version: The newest version that has the routes; empty for all.
        id_scope: Field with the owner within which ids are unique; empty for the account.
        retired_targets: Kinds that a reference may also name until their last version.
    """

    object: str
    path: str = ""
    prefix: str = ""
    id_param: str = "id"
    ops: str = "lr"
    events: EventTypes = EventTypes()
    on_delete: str = "missing"
    created_field: str = "created"
    default_filter: DefaultFilter | None = None
    filter_groups: Mapping[str | bool, tuple[Any, ...]] = field(default_factory=dict)
    test_clock_params: tuple[str, ...] = ()
    expandable_fields: tuple[str, ...] = ()
    expandable_lists: Mapping[str, ExpandableList] = field(default_factory=dict)
    internal_fields: tuple[str, ...] = ()
    filter_paths: Mapping[str, str] = field(default_factory=dict)
    filter_targets: Mapping[str, FilterTarget] = field(default_factory=dict)
    default_params: Mapping[str, Any] = field(default_factory=dict)
    lists_all_since: str = ""
    extra_filters: Mapping[str, str] = field(default_factory=dict)
    extra_params: Mapping[str, str] = field(default_factory=dict)
    custom_id: bool = False
    last_version: str = ""
    id_scope: str = ""
    retired_targets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    actions: Mapping[str, Action] = field(default_factory=dict)

    @property
    def is_legacy(self) -> bool:
        """Whether the newest version has no route to it."""
        return bool(self.last_version)

    @property
    def permission(self) -> str:
        """Its name in the permissions of restricted keys."""
        return _PERMISSIONS.get(self.object, self.object.replace(".", "_"))

    @property
    def retrieve_path(self) -> str:
        """The route of one object."""
        return f"{self.path}/{{{self.id_param}}}"


@dataclass(frozen=True, slots=True)
class NestedList:
    """A list of the children of one object, such as the lines of an invoice.

    Attributes:
        path: List and create route. Its placeholder is the parent's id; without a placeholder, a
            required parameter has it.
        parent: Kind of the parent.
        objects: Kinds of object in the list.
        field: Field of the parent that holds the children, or a copy of them.
        owner: Field of the children that names the parent, when they have collections of their
            own; empty when they are stored inside the parent.
        ops: Letters, as those of a resource.
        id_param: Name of the child's id in the route of one child.
        sdk_noun: The SDK's word for a child in its operations (``create_reversal``); empty when
            they are operations of the child's own class.
        events: Types of the Stripe events that carry a child.
        parent_events: Types of the Stripe events that carry the parent.
        child_actions: Names of the actions on one child.
        newest_first: New children come first; otherwise last.
        paginated: Page size and cursors are accepted.
        access_rule: Name of the rule that may refuse the whole list.
        permission: Its name in the permissions of restricted keys, if not the parent's.
        last_version: The newest version that has the routes; empty for all.
    """

    path: str
    parent: str
    objects: tuple[str, ...]
    field: str = ""
    owner: str = ""
    ops: str = "l"
    id_param: str = "id"
    sdk_noun: str = ""
    events: EventTypes = EventTypes()
    parent_events: EventTypes = EventTypes()
    child_actions: tuple[str, ...] = ()
    newest_first: bool = False
    paginated: bool = True
    access_rule: str = ""
    permission: str = ""
    last_version: str = ""

    @property
    def parent_in_params(self) -> bool:
        """Whether a parameter, not the path, names the parent."""
        return "{" not in self.path

    @property
    def list_name(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def child_noun(self) -> str:
        """The name of a child in error messages."""
        return self.objects[0].replace("_", " ")

    @property
    def child_path(self) -> str:
        """The route of one child."""
        return f"{self.path}/{{{self.id_param}}}"

    def url(self, parent_id: str) -> str:
        """The URL of one parent's list."""
        if self.parent_in_params:
            return f"{self.path}?{self.parent}={parent_id}"
        head, _, tail = self.path.partition("{")
        return f"{head}{parent_id}{tail.partition('}')[2]}"
