"""Resources that other products of Stripe have, with a list of their own."""

from __future__ import annotations

from stripe_sandbox.resources.resource_spec import (
    Action,
    DefaultFilter,
    EventTypes,
    Resource,
    event_types,
)

FURTHER_RESOURCES = (
    Resource(
        "billing.credit_grant",
        "/v1/billing/credit_grants",
        "credgr_",
        ops="lrcu",
        events=event_types("billing.credit_grant", "created", "updated"),
        actions={
            "expire": Action({}, "billing.credit_grant.updated"),
            "void": Action({}, "billing.credit_grant.updated"),
        },
    ),
    Resource(
        "billing.meter",
        "/v1/billing/meters",
        "mtr_",
        ops="lrcu",
        events=event_types("billing.meter", "created", "updated"),
        actions={
            "deactivate": Action(
                {"status": "inactive"}, "billing.meter.deactivated", ("status", ("active",))
            ),
            "reactivate": Action(
                {"status": "active"}, "billing.meter.reactivated", ("status", ("inactive",))
            ),
        },
    ),
    Resource(
        "entitlements.feature",
        "/v1/entitlements/features",
        "feat_",
        ops="lrcu",
        default_filter=DefaultFilter("active", True, param="archived"),
        filter_groups={False: (True,), True: (False,)},
    ),
    Resource("file", "/v1/files", "file_", events=EventTypes(created=("file.created",))),
    Resource(
        "radar.early_fraud_warning",
        "/v1/radar/early_fraud_warnings",
        "issfr_",
        "early_fraud_warning",
        events=event_types("radar.early_fraud_warning", "created", "updated"),
    ),
    Resource("reporting.report_run", "/v1/reporting/report_runs", "frr_", "report_run", "lrc"),
    Resource(
        "shipping_rate",
        "/v1/shipping_rates",
        "shr_",
        "shipping_rate_token",
        "lrcu",
    ),
    Resource(
        "tax_rate",
        "/v1/tax_rates",
        "txr_",
        "tax_rate",
        "lrcu",
        events=event_types("tax_rate", "created", "updated"),
    ),
    Resource(
        "topup",
        "/v1/topups",
        "tu_",
        "topup",
        "lrcu",
        events=event_types("topup", "created"),
        actions={
            "cancel": Action({"status": "canceled"}, "topup.canceled", ("status", ("pending",)))
        },
    ),
)
