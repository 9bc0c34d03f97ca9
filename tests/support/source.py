"""The modules of the project and their imports."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parents[2]
APPS = ("config", "demo", "exports", "notifications")


@dataclass(frozen=True)
class Import:
    """`importer` imports `imported`, on `line`; `typing` if only type checkers see it."""

    importer: str
    imported: str
    line: int
    typing: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


@cache
def sources() -> dict[str, str]:
    """Return the source of every module except migrations, by its dotted name."""
    found = {}
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if "migrations" not in path.parts:
                parts = path.relative_to(ROOT).with_suffix("").parts
                found[".".join(part for part in parts if part != "__init__")] = path.read_text()
    return found


parsed = cache(ast.parse)


def imports(modules: dict[str, str]) -> list[Import]:
    """Return all imports of `modules`, also inside of functions and for type checkers."""
    return [
        Import(name, target, node.lineno, typing)
        for name, source in modules.items()
        for node, typing in _import_statements(parsed(source))
        for target in _targets(node, modules)
    ]


def _import_statements(
    tree: ast.AST, *, typing: bool = False
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, typing
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from _import_statements(node, typing=True)
        else:
            yield from _import_statements(node, typing=typing)


def _targets(node: ast.Import | ast.ImportFrom, modules: Iterable[str]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert not node.level, f"line {node.lineno}: write the whole name, not a relative import"
    package = node.module or ""
    deeper = [f"{package}.{alias.name}" for alias in node.names]
    return [name if name in modules else package for name in deeper]
