"""Who may import whom: imports between the packages go one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# What every package of stripe_sync may use.
COMMON = {"errors", "clock", "gc_tuning", "version", "libpq"}
LOWEST = {"client", "catalog", "records"}
MAY_USE = {
    "records": set(),
    "catalog": {"records"},
    "client": {"records"},
    "declared": {"client"},
    "warehouse": LOWEST,
    "lake": LOWEST,
    "extract": LOWEST,
    "sync": {"declared", "extract", "lake", "warehouse"} | LOWEST,
    "accounts": {"declared", "sync", "extract", "lake", "warehouse"} | LOWEST,
    "mutations": {"declared", "sync", "extract", "lake", "warehouse"} | LOWEST,
    "streams": {"warehouse"} | LOWEST,
    "consumers": {"declared", "streams", "warehouse"} | LOWEST,
    "cli": {
        "declared",
        "use_cases",
        "accounts",
        "mutations",
        "sync",
        "streams",
        "consumers",
        "warehouse",
    }
    | LOWEST,
}


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules_below(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("room", MAY_USE)
def test_rooms_of_the_product_use_only_rooms_below(room: str) -> None:
    for path in modules_below(f"include/stripe_sync/{room}"):
        for name in imports_of(path):
            package, _, rest = name.partition(".")
            if package != "stripe_sync":
                continue
            used = rest.split(".")[0]
            allowed = used in COMMON | MAY_USE[room] | {room}
            assert allowed, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize(
    ("folder", "never"),
    [
        ("include/stripe_sync", {"airflow", "stripe_airflow", "stripe_stack", "stripe_sandbox"}),
        ("include/stripe_sandbox", {"airflow", "stripe_airflow", "stripe_stack", "stripe_sync"}),
        ("include/stripe_stack", {"airflow", "stripe_airflow"}),
        ("plugins", {"stripe_stack", "stripe_sandbox"}),
        ("dags", {"stripe_sync", "stripe_stack", "stripe_sandbox", "pandas", "psycopg"}),
    ],
)
def test_nobody_reaches_up(folder: str, never: set[str]) -> None:
    for path in modules_below(folder):
        reached = {name.split(".")[0] for name in imports_of(path)} & never
        assert not reached, f"{path.relative_to(ROOT)} imports {reached}"
