"""Settings and secrets of a webhook consumer: wrong ones are named and never repeated."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from stripe_sync.consumers.consumer import ConsumerSpec
from stripe_sync.consumers.sink import SinkContext, TargetConnection
from stripe_sync.consumers.sinks.webhook import WebhookSettings, WebhookSink, new_webhook_secret
from stripe_sync.errors import ConfigurationError
from stripe_sync.streams.selection import Selection

URL = "https://example.com/hook"
# The names of tests have the parameters, so these must be the same in each process.
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(32, 64))).decode()


def spec(**settings: Any) -> ConsumerSpec:
    return ConsumerSpec.of(
        {"name": "w", "kind": "webhook", "connection_id": "c", "settings": settings}
    )


def sink(password: str | None) -> WebhookSink:
    connection = TargetConnection("c", "http", password=password)
    context = SinkContext("w", Selection.of("events"), connection, epoch=1)
    return WebhookSink.of(WebhookSettings(url=URL), context)


def test_a_url_is_enough() -> None:
    settings = spec(url=URL).sink_settings()
    assert settings == WebhookSettings(url=URL)
    assert settings.model_dump(mode="json")["allow_addresses"] == []


def test_settings_survive_being_stored() -> None:
    settings = WebhookSettings(
        url="http://hooks.local:8000/x?y=1", allow_http=True, allow_addresses=["10.0.0.0/8", "::1"]
    )
    stored = settings.model_dump(mode="json")
    assert stored["allow_addresses"] == ["10.0.0.0/8", "::1/128"]
    assert WebhookSettings.model_validate(stored) == settings


@pytest.mark.parametrize(
    ("settings", "param"),
    [
        ({}, "settings.url"),
        ({"url": "hook-SECRET"}, "settings.url"),
        ({"url": "https://"}, "settings.url"),
        ({"url": "https://host:99999/SECRET"}, "settings.url"),
        ({"url": "ftp://host/SECRET"}, "settings.url"),
        ({"url": "https://host/SE CRET"}, "settings.url"),
        ({"url": "https://host/SECRET\n"}, "settings.url"),
        ({"url": "https://host/\x00SECRET"}, "settings.url"),
        ({"url": "https://me:SECRET@host/"}, "settings.url"),
        ({"url": "https://SECRET@host/"}, "settings.url"),
        ({"url": "https://host/#SECRET"}, "settings.url"),
        ({"url": "https://host/" + 2_000 * "x"}, "settings.url"),
        ({"url": "http://host/SECRET"}, "settings.url"),
        ({"url": "https://" + 64 * "x" + ".com/SECRET"}, "settings.url"),
        ({"url": "https://a..b/SECRET"}, "settings.url"),
        ({"url": "https://[::1/SECRET"}, "settings.url"),
        ({"url": URL, "allow_addresses": ["SECRET"]}, "settings.allow_addresses"),
        ({"url": URL, "allow_addresses": ["10.0.0.1/8"]}, "settings.allow_addresses"),
        ({"url": URL, "allow_addresses": {"a": 1}}, "settings.allow_addresses"),
        ({"url": URL, "timeout_seconds": 0}, "settings.timeout_seconds"),
        ({"url": URL, "concurrency": 0}, "settings.concurrency"),
        ({"url": URL, "secret": "SECRET"}, "settings.secret"),
    ],
)
def test_what_is_wrong_is_named_and_not_repeated(settings: dict[str, Any], param: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        spec(**settings)
    assert raised.value.param == param
    assert "SECRET" not in str(raised.value)


def test_a_webhook_needs_a_connection() -> None:
    with pytest.raises(ConfigurationError, match="connection"):
        ConsumerSpec.of({"name": "w", "kind": "webhook", "settings": {"url": URL}})


@pytest.mark.parametrize(
    "password",
    [
        SECRET,
        f"{OTHER} {SECRET}",
        "whsec_" + base64.b64encode(bytes(24)).decode(),
        "whsec_" + base64.b64encode(bytes(32)).decode().rstrip("="),
    ],
)
def test_secrets_are_in_the_password_of_the_connection(password: str) -> None:
    sink(password)


@pytest.mark.parametrize(
    "password",
    [
        None,
        "",
        " ",
        "SECRET",
        "whsec_SECRET",
        "whsec_",
        base64.b64encode(bytes(32)).decode(),  # no prefix
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        "whsec_" + 32 * "é",
        f"{OTHER},{SECRET}",
        " ".join(11 * [SECRET]),
    ],
)
def test_a_password_that_is_no_secret_is_refused_and_not_repeated(password: str | None) -> None:
    with pytest.raises(ConfigurationError, match="connection c") as raised:
        sink(password)
    assert raised.value.param == "connection_id"
    assert "SECRET" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_new_secrets_differ_and_serve() -> None:
    sink(new_webhook_secret())
    assert new_webhook_secret() != new_webhook_secret()
    assert len(base64.b64decode(new_webhook_secret().removeprefix("whsec_"))) == 32
