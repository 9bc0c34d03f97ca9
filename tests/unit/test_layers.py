"""Imports point one way, and each dangerous thing has one door. Read from the source.

Every rule is a function over source text that returns sentences, so that a test at the
end can show each of them finding what it is for.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parents[2]

# Each may import itself and what is right of it.
APPS = ("config", "demo", "exports", "notifications")

# What makes a file of a query, whoever asks for it.
WORK = (
    "exports.formats",
    "exports.readers",
    "exports.files.s3",
    "exports.files.storage",
    "exports.log.capture",
    "exports.worker",
)

WRITES = frozenset(
    {
        *("create", "bulk_create", "get_or_create", "update_or_create"),
        *("update", "bulk_update", "delete"),
    }
)


@dataclass(frozen=True)
class Owned:
    """Tables that only `writers` write; `related` is how rows are reached from others'."""

    models: frozenset[str]
    related: tuple[str, ...]
    writers: tuple[str, ...]


STREAMS = Owned(
    frozenset({"Stream", "Event", "Retained"}),
    (".events.", ".retained."),
    # Subscribing to a stream that nobody has written to makes its empty row; what is old goes.
    (
        "notifications.streams.publish",
        "notifications.streams.backlog",
        "notifications.streams.prune",
    ),
)
TRAIL = Owned(
    frozenset({"AuditEntry"}),
    (".auditentry_set.",),
    # The one door. `attempts` saves what it makes; `prune` deletes past the model's querysets.
    ("notifications.audit.record",),
)
INBOXES = Owned(
    frozenset({"Inbox"}), (".inbox.",), ("notifications.inbox.inbox", "notifications.inbox.mail")
)


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
    """The source of every module of the project, by its dotted name."""
    found = {}
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if "migrations" not in path.parts:
                parts = path.relative_to(ROOT).with_suffix("").parts
                found[".".join(part for part in parts if part != "__init__")] = path.read_text()
    return found


def imports(modules: dict[str, str]) -> list[Import]:
    """All imports of `modules`, also those inside of functions and for type checkers."""
    return [
        Import(name, target, node.lineno, typing)
        for name, source in modules.items()
        for node, typing in _import_statements(ast.parse(source))
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


def _is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def engine_knows_the_outside(found: Iterable[Import]) -> list[str]:
    outside = ("django.http", "django.views", "django.urls", "channels", "ninja")
    return [
        str(each)
        for each in found
        if any(_is_in(each.importer, name) for name in WORK)
        and any(_is_in(each.imported, name) for name in outside)
    ]


def writes_status(modules: dict[str, str]) -> list[str]:
    """Who writes Export.status but lifecycle. A part's status is another thing."""
    return [
        f"{name}:{node.lineno} writes a status: {ast.unparse(node)}"
        for name, source in modules.items()
        if not _is_in(name, "exports.lifecycle")
        for node in ast.walk(ast.parse(source))
        if _assigns_status(node) or _saves_status(node)
    ]


def _assigns_status(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and node.attr == "status"
    )


def _saves_status(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
    return called in {*WRITES, "Export"} and any(
        keyword.arg == "status" and "PartStatus" not in ast.unparse(keyword.value)
        for keyword in node.keywords
    )


def writes_owned(owned: Owned, modules: dict[str, str]) -> list[str]:
    """Who writes rows of these tables but the modules that may."""
    return [
        f"{name}:{node.lineno} writes what is not its own: {ast.unparse(node)}"
        for name, source in modules.items()
        if name not in owned.writers
        for tree in [ast.parse(source)]
        for models in [_names_of(owned.models, tree)]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _writes_one_of(node, models, owned.related)
    ]


def _names_of(models: frozenset[str], tree: ast.AST) -> set[str]:
    """The names by which a module calls these models."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "notifications.models"
        for alias in node.names
        if alias.name in models
    }


def _writes_one_of(call: ast.Call, models: set[str], related: tuple[str, ...]) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id in models
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in WRITES:
        return False
    chain = ast.unparse(call.func)
    through_manager = any(chain.startswith(f"{name}.objects.") for name in models)
    return through_manager or any(each in chain for each in related)


# -- The house as it stands ----------------------------------------------------------------


def test_the_modules_with_rules_of_their_own_are_there() -> None:
    # Renamed, they would break no rule any more.
    named = {
        *(*STREAMS.writers, *INBOXES.writers, *TRAIL.writers),
        *("exports.lifecycle", "exports.worker.runner", "exports.tasks"),
    }

    assert sorted(named - set(sources())) == []


def test_the_engine_knows_no_http() -> None:
    assert engine_knows_the_outside(imports(sources())) == []


def test_only_lifecycle_writes_a_status() -> None:
    assert writes_status(sources()) == []


def test_only_publish_writes_streams() -> None:
    assert writes_owned(STREAMS, sources()) == []


def test_only_one_door_leads_to_the_audit_trail() -> None:
    assert writes_owned(TRAIL, sources()) == []


def test_only_inbox_and_mail_write_inboxes() -> None:
    assert writes_owned(INBOXES, sources()) == []


def test_http_in_the_engine_is_found() -> None:
    modules = {"exports.files.storage": "import django.http"}

    assert engine_knows_the_outside(imports(modules)) == [
        "exports.files.storage:1 imports django.http"
    ]


def test_a_second_writer_of_statuses_is_found() -> None:
    assert len(writes_status({"exports.views.export": "export.status = Status.FAILED"})) == 1
    assert (
        len(writes_status({"exports.views.export": "Export.objects.filter(pk=1).update(status=x)"}))
        == 1
    )
    assert len(writes_status({"exports.views.export": "Export(status=x)"})) == 1
    assert writes_status({"exports.lifecycle.parts": "part.update(status=PartStatus.DONE)"}) == []
    assert writes_status({"exports.views.export": "Export.objects.filter(status=x)"}) == []


def test_a_second_writer_of_streams_is_found() -> None:
    models = "from notifications.models import Event, Stream\n"

    for write in (
        f"{models}Stream.objects.create(name='a')",
        f"{models}Event(offset=1)",
        "stream.events.filter(pk=1).delete()",
    ):
        assert len(writes_owned(STREAMS, {"exports.views.export": write})) == 1, write
        assert writes_owned(STREAMS, {"notifications.streams.publish": write}) == []
    for other in (f"{models}Event.objects.filter(offset=1)", "import asyncio\nasyncio.Event()"):
        assert writes_owned(STREAMS, {"exports.views.export": other}) == [], other


def test_a_second_door_to_the_audit_trail_is_found() -> None:
    write = "from notifications.models import AuditEntry\nAuditEntry(action='x').save()"

    assert len(writes_owned(TRAIL, {"exports.views.export": write})) == 1
    assert writes_owned(TRAIL, {"notifications.audit.record": write}) == []


def test_a_third_writer_of_inboxes_is_found() -> None:
    models = "from notifications.models import Inbox as Row\n"

    for write in (
        f"{models}Row.objects.filter(user=1).update(read_offset=0)",
        "user.inbox.delete()",
    ):
        assert len(writes_owned(INBOXES, {"notifications.streams.publish": write})) == 1, write
        assert writes_owned(INBOXES, {"notifications.inbox.mail": write}) == []
    reads = f"{models}Row.objects.filter(user=1).first()"
    assert writes_owned(INBOXES, {"notifications.inbox.views": reads}) == []
