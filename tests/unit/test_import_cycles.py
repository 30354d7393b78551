"""No module imports itself through others: at its top, in a function or for type checkers."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "include/stripe_sync",
    "include/stripe_sandbox",
    "include/stripe_stack",
    "plugins/stripe_airflow",
)


def modules_of(package: Path) -> dict[str, Path]:
    """The modules of a package, by their dotted names."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported_modules(name: str, modules: Mapping[str, Path]) -> set[str]:
    """The modules of the same package that a module imports anywhere."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(modules[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {each if each in modules else node.module for each in submodules}
    return found & modules.keys() - {name}


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_do_not_import_each_other_in_a_circle(package: str) -> None:
    modules = modules_of(ROOT / package)
    graph = {name: imported_modules(name, modules) for name in modules}
    assert any(graph.values())
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


@pytest.mark.parametrize(
    "source",
    [
        "from package import b",
        "from package.b import name",
        "import package.b",
        "def late():\n    from package import b",
        "if TYPE_CHECKING:\n    from package.b import name",
    ],
)
def test_imports_of_every_kind_are_found(tmp_path: Path, source: str) -> None:
    package = tmp_path / "package"
    package.mkdir()
    for name, text in {"__init__": "", "a": source, "b": ""}.items():
        (package / f"{name}.py").write_text(text)

    assert imported_modules("package.a", modules_of(package)) == {"package.b"}
