"""Find writes to the database in source code."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from tests.support.source import parsed

WRITES = {
    "create",
    "bulk_create",
    "get_or_create",
    "update_or_create",
    "update",
    "bulk_update",
    "delete",
}


@dataclass(frozen=True)
class Table:
    """Only `writers` write rows of `models`; `makers` may make instances that others save."""

    models: set[str]
    related: tuple[str, ...]  # The names by which other models reach the rows.
    writers: tuple[str, ...]
    makers: tuple[str, ...] = ()


def is_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in packages)


def foreign_writes(table: Table, modules: dict[str, str]) -> list[str]:
    """Return writes to `table` by modules that are not among its writers."""
    return [
        f"{name}:{node.lineno} {ast.unparse(node)}"
        for name, source in modules.items()
        if not is_in(name, table.writers)
        for names in [_names_of(table.models, parsed(source))]
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.Call)
        and (
            _calls_a_write(node, names, table.related)
            or (not is_in(name, table.makers) and _makes_an_instance(node, names))
        )
    ]


def _names_of(models: set[str], tree: ast.AST) -> set[str]:
    """Return the names of these models in a module."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).endswith(".models")
        for alias in node.names
        if alias.name in models
    }


def _makes_an_instance(call: ast.Call, names: set[str]) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id in names


def _calls_a_write(call: ast.Call, names: set[str], related: tuple[str, ...]) -> bool:
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in WRITES:
        return False
    chain = ast.unparse(call.func)
    managers = tuple(f"{name}.objects." for name in names)
    return chain.startswith(managers) or any(each in chain for each in related)


def status_writes(modules: dict[str, str]) -> list[str]:
    """Return writes of a field `status` outside of the lifecycle, by any queryset."""
    return [
        f"{name}:{node.lineno} {ast.unparse(node)}"
        for name, source in modules.items()
        if not is_in(name, ("exports.lifecycle",))
        for node in ast.walk(parsed(source))
        if _assigns_status(node) or _saves_status(node)
    ]


def _assigns_status(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and node.attr == "status"
    )


def _saves_status(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] in {*WRITES, "Export"}
        and any(keyword.arg == "status" for keyword in node.keywords)
    )
