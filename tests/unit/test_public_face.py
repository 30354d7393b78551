"""The public interface of ``stripe_sync``: complete, lazy, and all that Airflow's side uses."""

from __future__ import annotations

import ast
import doctest
import subprocess
import sys
from pathlib import Path

import pytest

import stripe_sync
from stripe_sync import errors
from stripe_sync.sync import connections

ROOT = Path(__file__).parents[2]


def test_all_is_sorted_and_every_name_exists() -> None:
    assert list(stripe_sync.__all__) == sorted(set(stripe_sync.__all__))
    assert [name for name in stripe_sync.__all__ if not hasattr(stripe_sync, name)] == []


def test_every_name_is_typed() -> None:
    tree = ast.parse(Path(stripe_sync.__file__).read_text())
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("stripe_sync")
        for alias in node.names
    }

    assert imported | {"__version__"} == set(stripe_sync.__all__)


def test_every_error_is_public() -> None:
    kinds = {name for name, value in vars(errors).items() if isinstance(value, type)}

    assert kinds <= set(stripe_sync.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'backfil'"):
        _ = stripe_sync.backfil


def test_describing_connections_loads_neither_sdk_nor_drivers() -> None:
    program = """
import sys
from stripe_sync import Connections, Credential, SyncSettings
Connections(Credential("sk_test_1"), "postgresql://host/db", "s3://bucket", SyncSettings())
print(*{"stripe", "aiohttp", "psycopg", "pyarrow", "pandas", "sqlalchemy"} & sys.modules.keys())
"""
    done = subprocess.run(  # a process of its own: this one has loaded everything
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == []


@pytest.mark.parametrize("module", [stripe_sync, connections], ids=lambda module: module.__name__)
def test_the_examples_of_the_documentation_run(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]

    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("folder", ["plugins", "dags"])
def test_airflows_side_imports_the_public_interface_only(folder: str) -> None:
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
                assert not any(name.startswith("stripe_sync") for name in names), path
            elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("stripe_sync"):
                public = {*stripe_sync.__all__, "errors"}
                used = {alias.name for alias in node.names}
                assert node.module in {"stripe_sync", "stripe_sync.errors"}, path
                assert node.module != "stripe_sync" or used <= public, path
