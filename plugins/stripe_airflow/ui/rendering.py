"""HTML from Jinja templates. Everything that is shown is escaped."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from stripe_airflow.api.errors import ApiError
from stripe_airflow.ui.static_files import static_version

_THOUSAND = 1000
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_MANY_HOURS, _MANY_DAYS = 48 * _HOUR, 60 * _DAY
_FEW_SECONDS = 10
_NOT_AUTHENTICATED = 401


def render(
    request: Request, template: str, *, status_code: int = 200, **values: Any
) -> HTMLResponse:
    """A page or a part of one.

    Args:
        request: The request; links begin with the path that the app is mounted at.
        template: Name in ``templates``.
        status_code: HTTP status.
        values: Names of the template. A whole page needs ``viewer``.
    """
    page = _environment().get_template(template)
    text = page.render(links=Links(request), request_path=request.url.path, **values)
    return HTMLResponse(text, status_code=status_code)


def compile_templates() -> None:
    """Compile all templates, so that no page waits for it."""
    for name in _environment().list_templates():
        _environment().get_template(name)


def render_error(request: Request, error: ApiError) -> HTMLResponse:
    """What is wrong: a whole page, or for htmx a part of one with the same status."""
    is_part = request.headers.get("hx-request") == "true"
    return render(
        request,
        "error_part.html" if is_part else "error.html",
        status_code=error.status,
        message=error.message,
        is_logged_out=error.status == _NOT_AUTHENTICATED,
    )


class Links:
    """Links of a page, for whatever path Airflow and the app are mounted at.

    Args:
        request: The request of the page.
    """

    def __init__(self, request: Request) -> None:
        self._root = request.scope.get("root_path", "").rstrip("/")

    def page(self, path: str = "", **query: Any) -> str:
        """A page of the console.

        Args:
            path: Path after ``/ui``, encoded (see ``segment``).
            query: Query; values that are None are left out.
        """
        return f"{self._root}/ui{path}{_query(query)}"

    def api(self, path: str, **query: Any) -> str:
        """A route of the HTTP API or a page beside the console: ``/v1/events``, ``/data-docs``."""
        return f"{self._root}{path}{_query(query)}"

    def static(self, name: str) -> str:
        """A file in ``static``."""
        return f"{self._root}/ui/static/{static_version()}/{name}"

    def airflow(self, path: str = "/") -> str:
        """A page of Airflow; its link needs the attribute ``data-leaves``."""
        return f"{self._root.removesuffix('/stripe')}{path}"

    def run(self, dag_id: str, run_id: str) -> str:
        """Airflow's page of a run; its link needs the attribute ``data-leaves``."""
        return self.airflow(f"/dags/{segment(dag_id)}/runs/{segment(run_id)}")


def segment(text: str) -> str:
    """A text as one part of a path."""
    return quote(text, safe="")


def number(value: float | None, digits: int = 0) -> str:
    """``12,345``; a dash for None."""
    return "—" if value is None else f"{value:,.{digits}f}"


def seconds(value: float | None) -> str:
    """A duration in the unit that fits: ``0.4 s``, ``3 min``, ``5 h``, ``2 days``."""
    if value is None:
        return "—"
    if value < _MINUTE:
        return f"{value:.1f} s" if value < _FEW_SECONDS else f"{value:.0f} s"
    for unit, size, most in (("min", _MINUTE, 2 * _HOUR), ("h", _HOUR, _MANY_HOURS)):
        if value < most:
            return f"{value / size:.0f} {unit}"
    return f"{value / _DAY:.0f} days"


def ago(value: datetime | None) -> Markup:
    """A time as how long ago it was, with the time itself as title; ``never`` for None."""
    if value is None:
        return Markup("never")
    value = value.astimezone(UTC)
    passed = (datetime.now(UTC) - value).total_seconds()
    text = f"{seconds(passed)} ago" if passed >= 1 else "now"
    if passed < -_FEW_SECONDS:
        text = f"in {seconds(-passed)}"
    return _time(value, text if abs(passed) < _MANY_DAYS else value.date().isoformat())


def moment(value: datetime | None) -> Markup:
    """A time in UTC; a dash for None."""
    if value is None:
        return Markup("—")
    value = value.astimezone(UTC)
    return _time(value, f"{value:%Y-%m-%d %H:%M:%S} UTC")


def short(collection_id: str) -> str:
    """``customer`` for ``stripe:customer``."""
    return collection_id.removeprefix("stripe:")


def _time(value: datetime, text: str) -> Markup:
    tag = Markup('<time datetime="{}" title="{} UTC">{}</time>')
    return tag.format(value.isoformat(), f"{value:%Y-%m-%d %H:%M:%S}", text)


def _query(values: dict[str, Any]) -> str:
    given = {name: value for name, value in values.items() if value is not None}
    return f"?{urlencode(given, doseq=True)}" if given else ""


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("stripe_airflow.ui"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (number, seconds, ago, moment, short, segment):
        environment.filters[function.__name__] = function
    return environment
