"""Real processes write the audit trail: a web server, a shell, beat."""

from __future__ import annotations

import getpass
import sys
from datetime import timedelta

from django.utils import timezone

from notifications.models import AuditEntry
from tests.services.waybill import start_beat
from tests.support.visitor import Visitor
from tests.support.waiting import wait_until

AGENT = f"Python-urllib/{sys.version_info.major}.{sys.version_info.minor}"


def recorded(**filters):
    """Each entry with who, what, and from where."""
    entries = AuditEntry.objects.filter(**filters).order_by("pk")
    fields = ("action", "actor_name", "owner_name", "interface", "address", "user_agent")
    return list(entries.values_list(*fields))


def test_web_server_records_actions_of_a_visitor(visitor, server):
    stranger = Visitor(server)
    stranger.get("/login/")
    stranger.post_form("/login/", username="demo", password="wrong")
    export = visitor.post_json("/api/v1/exports", {"exporter": "airports"}).json()
    visitor.post_form(f"/exports/{export['id']}/cancel")

    assert recorded(interface__in=["page", "api"]) == [
        ("signed_in", "demo", "", "page", "127.0.0.1", AGENT),
        ("sign_in_failed", "", "", "page", "127.0.0.1", AGENT),
        ("export_started", "demo", "", "api", "127.0.0.1", AGENT),
        ("export_cancelled", "demo", "", "page", "127.0.0.1", AGENT),
    ]


def test_command_is_recorded_with_the_account_of_its_shell(
    run, transactional_db, django_user_model
):
    django_user_model.objects.create_user("ada")

    shell = run.start("shell", [sys.executable, "manage.py", "create_token", "ada"])

    assert shell.wait() == 0
    assert recorded(interface="command") == [("token_created", "", "ada", "command", None, "")]
    details = AuditEntry.objects.get(interface="command").details
    assert details == {"command": "create_token", "account": getpass.getuser()}


def test_beat_removes_old_entries(run, transactional_db, valkey):
    long_ago = timezone.now() - timedelta(days=400)
    AuditEntry.objects.create(at=long_ago, action="signed_in", interface="page")

    beat = start_beat(run)
    wait_until(
        lambda: not AuditEntry.objects.filter(action="signed_in").exists(),
        timeout=60,
        what="the old entry is gone",
    )
    beat.kill()

    assert recorded() == [("trail_pruned", "", "", "system", None, "")]
