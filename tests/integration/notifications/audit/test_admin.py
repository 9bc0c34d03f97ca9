"""The audit trail in the admin, and as an export: to read, for who may view it."""

from __future__ import annotations

import csv
import io

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from exports.exceptions import UnknownExporter
from exports.lifecycle import attempts
from exports.worker import runner
from notifications import admin as notifications_admin
from notifications.audit.record import About, record
from notifications.audit_actions import Action
from notifications.models import AuditEntry
from tests.support.exporting import content, use_folders
from tests.support.starting import start_export

pytestmark = pytest.mark.django_db

LIST = "/admin/notifications/auditentry/"


def auditor(*codenames):
    user = User.objects.create_user("auditor", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


@pytest.fixture
def reader():
    """A member of the staff who may view the trail, and nothing else."""
    client = Client(REMOTE_ADDR="198.51.100.4")
    client.force_login(auditor("view_auditentry"))
    return client


def make(label="thing", *, action=Action.EXPORT_STARTED, **fields):
    """An entry that the door would not write like this."""
    given = {"object_key": f"key-of-{label}", "object_label": label, "interface": "page"}
    return AuditEntry.objects.create(action=action, **{**given, **fields})


def found(client, **query):
    return [each.object_label for each in client.get(LIST, query).context["cl"].result_list]


@pytest.mark.parametrize("model", ["auditentry", "event"])
@pytest.mark.parametrize(("language", "count"), [("en", "newest 20,000"), ("de", "20.000")])
def test_search_help_formats_the_count_in_the_readers_language(
    admin_client, model, language, count
):
    page = admin_client.get(
        f"/admin/notifications/{model}/", headers={"accept-language": language}
    ).content.decode()

    assert count in page


def test_entry_page_shows_all_its_fields(reader):
    entry = make("<Flights>", actor_name="ada", owner_name="bob", details={"format": "csv"})

    page = reader.get(f"{LIST}{entry.pk}/change/").content.decode()

    for text in ("&lt;Flights&gt;", "ada", "bob", "&quot;format&quot;: &quot;csv&quot;"):
        assert text in page


@pytest.mark.proves("audit-trail-is-append-only")
@pytest.mark.parametrize("is_superuser", [False, True])
def test_admin_can_neither_add_change_nor_delete_an_entry(reader, is_superuser):
    User.objects.update(is_superuser=is_superuser)
    entry = make()

    assert reader.get(f"{LIST}add/").status_code == 403
    assert reader.post(f"{LIST}{entry.pk}/change/", {"actor_name": "eve"}).status_code == 403
    assert reader.post(f"{LIST}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    reader.post(LIST, {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"})
    assert AuditEntry.objects.get(pk=entry.pk).actor_name == ""


def test_view_is_the_only_permission_of_the_audit_trail():
    permissions = Permission.objects.filter(content_type__model="auditentry")

    assert [each.codename for each in permissions] == ["view_auditentry"]


def test_staff_without_the_permission_see_nothing():
    client = Client()
    client.force_login(auditor("view_event"))

    assert client.get(LIST).status_code == 403


def test_entries_are_found_by_actor_key_address_and_words(reader):
    make("one", actor_name="ada lovelace", address="203.0.113.7")
    make("two", actor_name="bob", owner_name="carol", user_agent="Firefox/140")

    assert (
        found(reader, q="bob") == found(reader, q="carol") == found(reader, q="fox/14") == ["two"]
    )
    assert found(reader, q="lovelace") == found(reader, q="203.0.113.7") == ["one"]
    assert found(reader, q="key-of-one") == ["one"]
    assert found(reader, q="nobody") == []


def test_old_entry_is_found_by_whole_values_only(reader, monkeypatch):
    monkeypatch.setattr(notifications_admin, "MAX_SEARCHED", 1)
    make("old", actor_name="ada")
    make("new")

    assert found(reader, q="ada") == found(reader, q="key-of-old") == ["old"]
    assert found(reader, q="ld") == []
    assert found(reader, q="ew") == ["new"]


def test_entries_are_filtered_by_action_interface_and_actor(reader):
    make("one", actor_name="ada")
    make("two", action=Action.EXPORT_CANCELLED, interface="admin", actor_name="bob")

    assert found(reader, action__exact="export_cancelled") == ["two"]
    assert found(reader, interface__exact="admin") == ["two"]
    assert found(reader, actor="ada") == ["one"]
    assert found(reader, at__gte="2100-01-01 00:00:00+00:00") == []
    assert ">bob</a>" in reader.get(LIST).content.decode()


def test_list_counts_no_more_entries_than_its_pages_show(reader, monkeypatch):
    monkeypatch.setattr(notifications_admin, "MAX_COUNTED", 3)
    for number in range(6):
        make(f"number {number}")

    with CaptureQueriesContext(connection) as queries:
        changelist = reader.get(LIST).context["cl"]

    counts = [each["sql"] for each in queries if "COUNT(" in each["sql"]]
    assert changelist.result_count == 3
    assert counts
    assert all("LIMIT 3" in sql for sql in counts)


def test_list_of_entries_needs_a_constant_number_of_queries(reader):
    def asked():
        with CaptureQueriesContext(connection) as queries:
            assert reader.get(LIST).status_code == 200
        return len(queries)

    make()
    few = asked()
    for number in range(30):
        make(f"number {number}", actor_name=f"user {number}")

    assert asked() == few


# -- As an export --------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_audit_trail_is_exported_with_the_view_permission(settings, tmp_path):
    use_folders(settings, tmp_path)
    user = auditor("view_auditentry")
    record(Action.SIGN_IN_FAILED, About("user", "", "=cmd()"))

    export = start_export(
        user=user, exporter="audit", filters={"action": ["sign_in_failed", "export_started"]}
    )
    runner.run(attempts.claim(export.pk, worker="worker-1@tests"))

    export.refresh_from_db()
    failed, started = csv.DictReader(io.StringIO(content(export).decode()))
    assert (failed["action"], failed["object_label"]) == ("sign_in_failed", "'=cmd()")
    assert (started["action"], started["object_key"]) == ("export_started", str(export.pk))


def test_audit_exporter_is_hidden_from_other_users():
    with pytest.raises(UnknownExporter, match="Available: flights"):
        start_export(user=auditor("export_flight"), exporter="audit")
