"""Each table is written by the modules that own it, and nothing that makes a file knows HTTP.

import-linter holds the directions of imports: see `tool.importlinter` in pyproject.toml. It
does not see into a library, so the rule about Django's HTTP modules is here.
"""

from __future__ import annotations

import pytest

from tests.support.source import imports, sources
from tests.support.writes import Table, foreign_writes, is_in, status_writes

TABLES = {
    # `log.write` counts the lines of a log. The style guide shows exports that nobody saves, and
    # the runner makes parts that `lifecycle.parts` saves.
    "exports": Table(
        {"Export", "Part"},
        (".parts.",),
        writers=("exports.lifecycle", "exports.log.write"),
        makers=("exports.views.style_guide", "exports.worker.runner"),
    ),
    # `backlog` makes the row of a stream that has a subscriber and no item yet.
    "streams": Table(
        {"Stream", "Event", "Retained"},
        (".events.", ".retained."),
        writers=tuple(f"notifications.streams.{name}" for name in ("publish", "backlog", "prune")),
    ),
    "audit": Table({"AuditEntry"}, (".auditentry_set.",), ("notifications.audit.record",)),
    "inboxes": Table(
        {"Inbox"}, (".inbox.",), ("notifications.inbox.inbox", "notifications.inbox.mail")
    ),
}
WORK = (
    "exports.formats",
    "exports.readers",
    "exports.worker",
    "exports.files.s3",
    "exports.files.storage",
    "exports.log.capture",
)
HTTP = ("django.http", "django.views", "django.urls", "channels", "ninja")


def imports_of_http(modules: dict[str, str]) -> list[str]:
    return [
        str(each)
        for each in imports(modules)
        if is_in(each.importer, WORK) and is_in(each.imported, HTTP)
    ]


def test_named_modules_exist() -> None:
    # A rule about a module that was renamed would hold nothing.
    named = {
        *WORK,
        *(name for table in TABLES.values() for name in (*table.writers, *table.makers)),
    }

    assert sorted(named - set(sources())) == []


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_tables_are_written_by_their_own_modules(table: Table) -> None:
    assert foreign_writes(table, sources()) == []


@pytest.mark.proves("only-drawn-moves")
def test_statuses_are_written_by_lifecycle_only() -> None:
    assert status_writes(sources()) == []


def test_file_making_modules_do_not_import_http() -> None:
    assert imports_of_http(sources()) == []


@pytest.mark.parametrize(
    ("table", "write"),
    [
        ("exports", "from exports.models import Part\nPart.objects.filter(pk=1).update(rows=1)"),
        ("exports", "from exports.models import Export\nExport(owner=user).save()"),
        ("exports", "export.parts.all().delete()"),
        ("streams", "from notifications.models import Stream\nStream.objects.create(name='a')"),
        ("streams", "from notifications.models import Event\nEvent(offset=1)"),
        ("streams", "stream.events.filter(pk=1).delete()"),
        ("audit", "from notifications.models import AuditEntry\nAuditEntry(action='x').save()"),
        ("inboxes", "from notifications.models import Inbox as Row\nRow.objects.update(read=0)"),
        ("inboxes", "user.inbox.delete()"),
    ],
)
def test_write_outside_of_its_module_is_found(table: str, write: str) -> None:
    assert len(foreign_writes(TABLES[table], {"exports.views.export": write})) == 1
    assert foreign_writes(TABLES[table], {TABLES[table].writers[0]: write}) == []


@pytest.mark.parametrize(
    "read",
    [
        "from notifications.models import Event\nEvent.objects.filter(offset=1)",
        "from notifications.models import Inbox as Row\nRow.objects.filter(user=1).first()",
        "import asyncio\nasyncio.Event()",
    ],
)
def test_read_access_is_not_reported_as_a_write(read: str) -> None:
    modules = {"exports.views.export": read}

    assert [foreign_writes(table, modules) for table in TABLES.values()] == [[]] * len(TABLES)


@pytest.mark.parametrize(
    "write", ["export.status = new", "found.filter(pk=1).update(status=new)", "Export(status=new)"]
)
def test_status_write_outside_of_lifecycle_is_found(write: str) -> None:
    assert len(status_writes({"exports.views.export": write})) == 1


def test_http_import_of_a_file_making_module_is_found() -> None:
    modules = {"exports.files.storage": "import django.http"}

    assert imports_of_http(modules) == ["exports.files.storage:1 imports django.http"]
