"""Actions on the list of all exports go through the lifecycle."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from exports.models import Export
from exports.status import Status
from tests.support.export_admin import LIST, make, staff_with
from tests.support.pages import text

pytestmark = pytest.mark.django_db


def act(client, action, *exports):
    data = {"action": action, "index": "0", "_selected_action": [each.pk for each in exports]}
    answer = client.post(LIST, data, follow=True)
    for each in exports:
        each.refresh_from_db()
    return [str(message) for message in answer.context["messages"]]


def test_cancel_action_reports_exports_it_could_not_cancel(operator):
    queued, running, paused = make(Status.QUEUED), make(Status.RUNNING), make(Status.PAUSED)
    over = [make(Status.SUCCEEDED), make(Status.SUCCEEDED)]

    messages = act(operator, "cancel", queued, running, paused, *over)

    assert [queued.status, running.status, paused.status] == [
        "cancelled",
        "cancelling",
        "cancelled",
    ]
    assert messages == [
        "Cancelling 3 exports.",
        "2 exports were not changed: This export is succeeded. It can no longer be cancelled.",
    ]


def test_pause_and_resume_actions_use_the_lifecycle(operator):
    queued, running, over = make(Status.QUEUED), make(Status.RUNNING), make(Status.FAILED)

    assert len(act(operator, "pause", queued, running, over)) == 2
    assert [queued.status, running.status, over.status] == ["paused", "pausing", "failed"]
    assert act(operator, "resume", queued) == ["1 export is back in the queue."]
    assert queued.status == Status.QUEUED


def test_run_again_action_reports_exports_it_could_not_repeat(operator):
    owner = User.objects.create_superuser("owner")
    over = [make(status, label=status) for status in ("failed", "cancelled", "succeeded")]
    waiting = make(Status.QUEUED)

    messages = act(operator, "run_again", *over, waiting)

    new = Export.objects.exclude(origin=None)
    assert {export.origin for export in new} == set(over)
    assert {(export.owner, export.status) for export in new} == {(owner, "queued")}
    assert messages == [
        "Started 3 exports again.",
        "1 export was not changed: This export is queued. Only failed or cancelled exports can "
        "be retried. Finished exports can be run again.",
    ]


def test_run_again_action_is_refused_without_permission(operator):
    failed = make(Status.FAILED)

    (message,) = act(operator, "run_again", failed)

    assert 'not changed: For owner: You do not have permission to export "Flights".' in message
    assert Export.objects.count() == 1


def test_actions_need_the_permission_to_change_exports():
    export = make()
    client = staff_with("view_export")

    assert 'name="action"' not in text(client.get(LIST))
    act(client, "cancel", export)
    assert export.status == Status.QUEUED
