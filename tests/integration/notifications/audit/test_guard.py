"""Entries of the audit trail are added, and removed when they are old. Nothing else."""

from __future__ import annotations

import sqlite3
import sys
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from exports import schedule
from notifications.audit import prune
from notifications.audit.record import About, record
from notifications.audit_actions import Action
from notifications.models import AppendOnlyError, AuditEntry
from tests.support.trail import BY_COMMAND, BY_SYSTEM, only, source

pytestmark = pytest.mark.django_db(transaction=True)

TABLE = AuditEntry._meta.db_table


@pytest.fixture
def entry():
    record(Action.SIGNED_IN, About("user", "7", "ada"))
    return AuditEntry.objects.get()


def make_old(count, days=400):
    """Entries of long ago, as the database has let them in."""
    at = timezone.now() - timedelta(days=days)
    AuditEntry.objects.bulk_create(
        AuditEntry(at=at, action=Action.SIGNED_IN, interface="page") for _ in range(count)
    )


@pytest.mark.proves("audit-trail-is-append-only")
@pytest.mark.parametrize(
    "change",
    [
        lambda entry: entry.save(),
        lambda entry: entry.delete(),
        lambda entry: AuditEntry.objects.filter(pk=entry.pk).update(actor_name="eve"),
        lambda _: AuditEntry.objects.all().delete(),
        lambda entry: AuditEntry.objects.update_or_create(
            pk=entry.pk, defaults={"actor_name": "eve"}
        ),
    ],
    ids=["save", "delete", "update", "delete all", "update or create"],
)
def test_code_that_changes_an_entry_is_refused(entry, change):
    with pytest.raises(AppendOnlyError, match="audit trail"):
        change(entry)

    assert AuditEntry.objects.get().object_label == "ada"


@pytest.mark.proves("audit-trail-is-append-only")
@pytest.mark.parametrize(
    "sql",
    [
        f"UPDATE {TABLE} SET actor_name = 'eve'",
        f"UPDATE {TABLE} SET at = at",
        f"DELETE FROM {TABLE}",
        pytest.param(f"TRUNCATE {TABLE}", marks=pytest.mark.only_on("postgres")),
        pytest.param(
            f"REPLACE INTO {TABLE} SELECT * FROM {TABLE}",
            marks=pytest.mark.only_on("sqlite"),
        ),
    ],
)
def test_sql_that_changes_an_entry_is_refused(entry, sql):
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        connection.cursor().execute(sql)

    assert AuditEntry.objects.get().object_label == "ada"


@pytest.mark.proves("audit-trail-is-append-only")
@pytest.mark.only_on("sqlite")
def test_other_program_cannot_delete_entries(entry):
    other = sqlite3.connect(connection.settings_dict["NAME"], timeout=20)

    with pytest.raises(sqlite3.OperationalError, match="waybill_prunes_audit"):
        other.execute(f"DELETE FROM {TABLE}")
    other.close()

    assert AuditEntry.objects.count() == 1


def test_bulk_insert_does_not_replace_an_entry(entry):
    same = AuditEntry(pk=entry.pk, action=Action.SIGNED_OUT, interface="page")

    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEntry.objects.bulk_create(
            [same],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=["action"],
        )

    assert AuditEntry.objects.get().action == Action.SIGNED_IN


# -- Retention -----------------------------------------------------------------------------------


@pytest.mark.proves("audit-trail-is-append-only")
def test_old_entries_are_removed_in_recorded_batches(entry):
    make_old(5)

    assert prune.prune(timezone.now() - timedelta(days=365), batch=2) == 5

    pruned = list(AuditEntry.objects.filter(action="trail_pruned").order_by("pk"))
    assert [each.details["entries"] for each in pruned] == [2, 2, 1]
    assert all(source(each) == BY_SYSTEM for each in pruned)
    assert AuditEntry.objects.exclude(action="trail_pruned").get() == entry


def test_connection_that_pruned_is_refused_afterwards(entry):
    make_old(1)
    with transaction.atomic():
        prune.prune(timezone.now() - timedelta(days=365))

        with pytest.raises(IntegrityError), transaction.atomic():
            connection.cursor().execute(f"DELETE FROM {TABLE}")

    assert AuditEntry.objects.filter(pk=entry.pk).exists()


def test_command_removes_entries_older_than_the_setting(entry, settings, monkeypatch, capsys):
    settings.NOTIFICATIONS_AUDIT_DAYS = 30
    monkeypatch.setattr(sys, "argv", ["manage.py", "prune_events"])
    make_old(3, days=31)
    make_old(2, days=29)

    call_command("prune_events", days=1)

    assert "Removed 3 entries of the audit trail." in capsys.readouterr().out
    assert AuditEntry.objects.filter(action="signed_in").count() == 3
    assert source(only("trail_pruned")) == BY_COMMAND
    assert only("trail_pruned").details["entries"] == 3


def test_beat_removes_entries_older_than_the_setting(entry):
    make_old(2)
    [prune_trail] = [job.function for job in schedule.JOBS if job.name == "prune_audit_trail"]

    prune_trail()

    assert AuditEntry.objects.exclude(action="trail_pruned").get() == entry


def test_unnamed_account_of_a_process_is_recorded(monkeypatch):
    """As in a container whose user is in no file."""

    def unknown():
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr("getpass.getuser", unknown)
    monkeypatch.setattr(sys, "argv", ["/srv/app/manage.py", "shell"])

    record(Action.SIGNED_IN)

    assert AuditEntry.objects.get().details == {"command": "shell"}
