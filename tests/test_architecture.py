"""The house's rules, read off the source: imports point down, nothing hides in functions, sizes stay readable."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("config", "webhooks", "coaching", "integrations", "accounts")
# package → what of ours it may import (DESIGN, "Imports")
MAY_IMPORT = {
    "config": {"config", "webhooks", "coaching", "integrations", "accounts"},
    "webhooks": {"webhooks", "integrations", "accounts"},
    "coaching": {"coaching", "integrations", "accounts"},
    "integrations": {"integrations", "accounts"},
    "accounts": {"accounts", "integrations.encryption"},
}
PROVIDER_MAY = (
    "spec",
    "adapters",
    "records",
    "values",
    "errors",
    "shortcomings",
    "signatures",
    "oauth",
    "resilience",
    "sandbox",
)
LONGEST_FILE, LONGEST_FUNCTION, LONGEST_VIEW, LONGEST_TASK = 400, 40, 25, 10
MOST_NESTED = 8


@cache
def modules() -> dict[str, Path]:
    """Our modules by dotted name, tests and migrations left out."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if "migrations" in parts or "tests" in parts:
                continue
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_text(encoding="utf-8"))


def imported(node: ast.AST) -> Iterator[str]:
    """Dotted names that an import statement names, `from a import b` as both `a` and `a.b`."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        yield node.module or ""
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def typing_only(module: ast.Module) -> set[ast.AST]:
    """What stands below `if TYPE_CHECKING:`; it is not imported when the program runs."""
    guarded: set[ast.AST] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            guarded |= {inner for statement in node.body for inner in ast.walk(statement)}
    return guarded


@cache
def ours(name: str) -> frozenset[str]:
    """Modules of ours that a module imports when it runs."""
    module = tree(name)
    guarded = typing_only(module)
    names = {found for node in ast.walk(module) if node not in guarded for found in imported(node)}
    return frozenset(found for found in names if found in modules() and found != name)


def functions(name: str) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree(name)) if isinstance(node, ast.FunctionDef))


def length(function: ast.FunctionDef) -> int:
    """Lines of a function without its docstring."""
    first = function.body[0]
    doc = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    words = (first.end_lineno or 0) - first.lineno + 1 if doc else 0
    return (function.end_lineno or 0) - function.lineno + 1 - words


@pytest.mark.parametrize("name", modules())
def test_imports_point_down(name: str) -> None:
    package = name.partition(".")[0]
    allowed = MAY_IMPORT[package]
    for found in ours(name):
        fits = any(found == entry or found.startswith(f"{entry}.") for entry in allowed)
        assert fits or found in PACKAGES, f"{name} imports {found}: {package} may import {sorted(allowed)}"


@pytest.mark.parametrize("name", modules())
def test_only_the_registry_knows_providers_and_providers_know_only_the_kit(name: str) -> None:
    own = name.split(".")[:3] if name.startswith("integrations.providers.") else None
    for found in ours(name):
        if own is None:
            known = found.startswith("integrations.providers")
            assert not known or name == "integrations.registry", f"{name} reaches into {found}: ask the registry"
            continue
        parts = found.split(".")
        secret = found in {"integrations", "integrations.encryption"}
        allowed = parts[:3] == own or secret or (parts[0] == "integrations" and parts[1] in PROVIDER_MAY)
        assert allowed, f"{name} imports {found}: a provider knows {PROVIDER_MAY} and itself"


def test_nothing_imports_in_a_circle() -> None:
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, "a circle: " + " → ".join((*trail[trail.index(name) :], name))
        if name in done:
            return
        for found in sorted(ours(name)):
            if not name.startswith(f"{found}."):  # a package's own __init__ is loaded with it
                visit(found, (*trail, name))
        done.add(name)

    for name in modules():
        visit(name, ())


@pytest.mark.parametrize("name", modules())
def test_imports_stand_at_the_top(name: str) -> None:
    for function in functions(name):
        hidden = [node.lineno for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom)]
        assert not hidden, f"{modules()[name]}:{hidden[0]} imports inside {function.name}: move the code instead"


@pytest.mark.parametrize("name", modules())
def test_a_service_that_enqueues_and_tasks_that_work_are_no_circle(name: str) -> None:
    if name.endswith(".tasks"):
        bell = [found for found in ours(name) if found.endswith(".tasks")]
        assert not bell, f"{name} imports {bell}: tasks call services"


@pytest.mark.parametrize("name", modules())
def test_files_and_functions_stay_readable(name: str) -> None:
    lines = len(modules()[name].read_text(encoding="utf-8").splitlines())
    assert lines < LONGEST_FILE, f"{name} has {lines} lines; a file stays under {LONGEST_FILE}"
    views = name.rpartition(".")[2] == "views" or ".views." in name
    for function in functions(name):
        most = LONGEST_VIEW if views else LONGEST_TASK + 2 if name.endswith(".tasks") else LONGEST_FUNCTION
        size = length(function)
        assert size <= most, f"{name}.{function.name} has {size} lines; at most {most} here"


@pytest.mark.parametrize("name", modules())
def test_nothing_prints(name: str) -> None:
    if name.startswith(("config.embedded", "config.demo", "config.management")):
        return
    calls = (node for node in ast.walk(tree(name)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
    printing = [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
    assert not printing, f"{modules()[name]}:{printing[0]} prints: log it"
