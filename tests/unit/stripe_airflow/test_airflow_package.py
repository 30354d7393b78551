"""What Airflow reads of the package: provider metadata and plugin."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points, version
from importlib.resources import files
from pathlib import Path

import pytest
from airflow.sdk import BaseOperator, BaseSensorOperator
from airflow.sdk.module_loading import import_string
from airflow.triggers.base import BaseTrigger
from jsonschema import Draft7Validator

from stripe_airflow.hooks.stripe import CLIENT_ID_EXTRA, CREDENTIAL_EXTRAS, HASH_SECRET_EXTRA
from stripe_airflow.provider_info import get_provider_info
from stripe_sync import SyncSettings
from stripe_sync.records.canonical_json import loads

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "plugins" / "stripe_airflow"


def test_the_provider_metadata_follows_airflows_schema() -> None:
    schema = loads(files("airflow").joinpath("provider_info.schema.json").read_bytes())

    assert list(Draft7Validator(schema).iter_errors(get_provider_info())) == []


def test_the_provider_metadata_has_the_version_and_links_to_stripes_documentation() -> None:
    info = get_provider_info()

    [integration] = info["integrations"]
    assert info["versions"] == [version("airflow-stripe-sync")]
    assert integration["external-doc-url"].startswith("https://docs.stripe.com")


def test_every_connection_type_and_link_exists() -> None:
    info = get_provider_info()

    for kind in info["connection-types"]:
        hook = import_string(kind["hook-class-name"])
        assert hook.conn_type == kind["connection-type"]
        assert hook.hook_name == kind["hook-name"]
    for link in info["extra-links"]:
        assert import_string(link)().name


@pytest.mark.parametrize(
    ("section", "base"),
    [("operators", BaseOperator), ("sensors", BaseSensorOperator), ("triggers", BaseTrigger)],
)
def test_every_module_of_a_kind_is_listed(section: str, base: type) -> None:
    def defines_class(module: str) -> bool:
        return any(
            isinstance(member, type) and issubclass(member, base) and member.__module__ == module
            for member in vars(import_module(module)).values()
        )

    listed = {name for entry in get_provider_info()[section] for name in entry["python-modules"]}
    present = {f"stripe_airflow.{section}.{path.stem}" for path in (PACKAGE / section).glob("*.py")}
    present -= {f"stripe_airflow.{section}.{name}" for name in ("__init__", "base")}
    assert listed == present
    assert all(defines_class(module) for module in listed)


def test_the_form_has_a_field_for_every_setting() -> None:
    stripe, _ = get_provider_info()["connection-types"]

    own = {*CREDENTIAL_EXTRAS, CLIENT_ID_EXTRA, HASH_SECRET_EXTRA}
    assert set(stripe["conn-fields"]) == {*own, *SyncSettings.model_fields}


def test_airflow_loads_the_provider() -> None:
    from airflow.providers_manager import ProvidersManager
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    manager = ProvidersManager()
    assert "airflow-stripe-sync" in manager.providers
    assert set(get_provider_info()["extra-links"]) <= set(manager.extra_links_class_names)
    hooks = ProvidersManagerTaskRuntime().hooks
    assert [getattr(hooks[kind], "hook_name", None) for kind in ("stripe", "stripe_lake")] == [
        "Stripe",
        "Stripe lake",
    ]


def test_the_plugin_is_loaded_once_and_by_its_entry_point() -> None:
    [entry] = [e for e in entry_points(group="airflow.plugins") if e.name == "stripe_airflow"]

    assert entry.load().name == "stripe_airflow"
    assert (ROOT / "plugins/.airflowignore").read_text().splitlines()[-1] == "*"


def test_no_folder_has_more_than_twelve_modules() -> None:
    for folder in (PACKAGE, *(path for path in PACKAGE.iterdir() if path.is_dir())):
        assert len(list(folder.glob("*.py"))) <= 12, folder
