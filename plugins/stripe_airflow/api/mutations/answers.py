"""From the report of a mutation to the answer of the API."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.responses import JSONResponse

from stripe_airflow.api.errors import ApiError
from stripe_sync import MutationReport, MutationStatus, describe_mutation, report_json

PARTLY = 207
"""Status of an answer that has a result for each record."""

_REFUSED, _TOO_MANY, _NO_ANSWER, _FAILED = 422, 429, 504, 502

_STATUS = {
    "rate_limit": _TOO_MANY,
    "lock_timeout": _TOO_MANY,
    "stripe_unreachable": _NO_ANSWER,
    "stripe_unavailable": _FAILED,
    "idempotency_key_reused": 400,
}
"""HTTP status by code, of what is no refusal of the request."""

_STANDS = "the write stands: Stripe and the streams have it; late are {}"
_NOT_EXECUTED = "; Stripe has not executed it: send the request again, with the same key"
_UNKNOWN = {
    True: (
        "; Stripe may have executed it: send the request again with the same Idempotency-Key, which"
        " repeats nothing; if this stays so, look for the change in Stripe"
    ),
    False: (
        "; Stripe may have executed it, and the request had no Idempotency-Key: look for the change"
        " in Stripe before you send it again; if it is there, polling stores it"
    ),
}


def answer_of(
    report: MutationReport, records: Sequence[Mapping[str, Any]], *, name: str, has_key: bool
) -> JSONResponse:
    """The answer to a request.

    Args:
        report: What became of its records.
        records: The records of the request.
        name: The field that had them: ``data`` or ``records``.
        has_key: Whether the request had an idempotency key.

    Raises:
        ApiError: It had one record, and that failed.
    """
    found = report_json(report)
    for result in found["results"]:
        if result["error"]:
            position = result["position"]
            place = f"{name}[{position}]"
            result["error"] = _error(result["error"], records[position], place)
    if report.failed and len(report.results) == 1:
        raise _api_error(report, found["results"][0]["error"], has_key=has_key)
    body: dict[str, Any] = {"records": found["records"]}
    if report.late:
        body |= {"late": found["late"], "message": _STANDS.format(", ".join(report.late))}
    if not report.failed:
        return JSONResponse(body)
    return JSONResponse(
        {"results": found["results"], "message": describe_mutation(report), **body},
        status_code=PARTLY,
    )


def named(error: Exception, records_name: str) -> Exception:
    """An error about the records, with the name that the body had for them."""
    text = str(error.args[0]) if error.args else ""
    error.args = (re.sub(r"(^|\(|: )records(?=\[|\b)", rf"\1{records_name}", text), *error.args[1:])
    param = getattr(error, "param", None)
    if param is not None:
        error.param = re.sub(r"^records(?=\[|$)", records_name, param)  # type: ignore[attr-defined]
    return error


def _error(error: Mapping[str, Any], record: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Stripe's error; its parameter is a path in the body where that has it: ``data[0].email``."""
    param = str(error.get("param") or "")
    if error.get("code") == "resource_missing" and f"'{record.get('id')}'" in error["message"]:
        param = "id"  # Stripe names the object's kind
    first, *rest = re.findall(r"[^\[\]]+", param) or [""]
    if first not in record:
        return dict(error)
    path = "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in rest)
    return {**error, "param": f"{place}.{first}{path}"}


def _api_error(
    report: MutationReport, error: Mapping[str, Any] | None, *, has_key: bool
) -> ApiError:
    """The error of a request with one record."""
    status, error = report.results[0].status, error or {}
    code, message = str(error.get("code") or ""), str(error.get("message") or "")
    http_status = _STATUS.get(code, _REFUSED)
    if status is MutationStatus.UNKNOWN:
        http_status = _NO_ANSWER if code == "stripe_unreachable" else _FAILED
        message += _UNKNOWN[has_key]
    elif status is MutationStatus.NOT_EXECUTED:
        message += _NOT_EXECUTED
    found = ApiError(
        http_status, code or _code(status), message or "it failed", param=error.get("param")
    )
    found.type = error.get("type") or None
    found.more = {name: error.get(name) for name in ("decline_code", "request_id")}
    return found


def _code(status: MutationStatus) -> str:
    """The code of an error for which Stripe has none."""
    return "stripe_refused" if status is MutationStatus.REFUSED else "outcome_unknown"
