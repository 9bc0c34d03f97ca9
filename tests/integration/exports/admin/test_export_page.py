"""An export's page in the admin: read-only, with its parts, downloads and buttons."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.test import Client
from django.utils import timezone
from django_celery_results.models import TaskResult

from exports.admin import inlines
from exports.lifecycle.announce import announce
from exports.models import Download, Export, Part, PartStatus, TaskRun
from exports.status import Status
from notifications.streams import backlog
from tests.support.export_admin import LIST, change, cost, make, staff_with, streams
from tests.support.pages import text

pytestmark = pytest.mark.django_db


# -- The page of one export ----------------------------------------------------------------------


def test_admin_page_links_the_export_page_and_its_file(operator):
    soon = timezone.now() + timedelta(hours=1)
    ready = make(Status.SUCCEEDED, file="exports/1.csv", expires_at=soon)
    expired = make(Status.SUCCEEDED, file="exports/2.csv", expires_at=timezone.now())

    assert f'<a href="{ready.get_absolute_url()}">' in text(operator.get(change(ready)))
    assert f'href="/exports/{ready.pk}/file"' in text(operator.get(change(ready)))
    assert f"/exports/{expired.pk}/file" not in text(operator.get(change(expired)))


def test_export_page_has_no_input_fields(operator):
    export = make(Status.RUNNING)
    Part.objects.create(export=export, number=1, upto_key="9", rows=9, status=PartStatus.CLAIMED)

    page = text(operator.get(change(export))).split('id="content-main"')[1]

    assert "Claimed" in page
    kinds = re.findall(r"<(?:input|select|textarea)[^>]*>", page)
    assert [kind for kind in kinds if 'type="hidden"' not in kind] == []


def test_page_links_existing_task_results(operator):
    export = make(Status.RUNNING)
    for attempt in (1, 2):
        TaskRun.objects.create(export=export, task_id=f"task-{attempt}", attempt=attempt)
    result = TaskResult.objects.create(task_id="task-1", status="FAILURE")

    page = text(operator.get(change(export)))

    url = f"/admin/django_celery_results/taskresult/{result.pk}/change/"
    assert f'<a href="{url}">task-1</a>' in page
    assert operator.get(url).status_code == 200
    assert "task-2</a>" not in page
    assert "task-2" in page


def test_task_results_are_linked_only_for_permitted_users():
    export = make(Status.RUNNING)
    TaskRun.objects.create(export=export, task_id="task-1", attempt=1)
    TaskResult.objects.create(task_id="task-1", status="FAILURE")

    page = text(staff_with("view_export").get(change(export)))

    assert "task-1" in page
    assert "taskresult" not in page
    assert "FAILURE" not in page


def test_page_lists_users_who_have_downloaded_the_file(operator):
    export, other = make(Status.SUCCEEDED), make(Status.SUCCEEDED)
    gone = User.objects.create_user("gone")
    for by, address in ((export.owner, "203.0.113.5"), (gone, "2001:db8::1")):
        Download.objects.create(export=export, user=by, address=address, range="bytes=0-9")
    Download.objects.create(export=other, user=gone, address="198.51.100.7")
    gone.delete()

    page = text(operator.get(change(export))).split('id="downloads-group"')[1]

    assert "203.0.113.5" in page
    assert "owner" in page
    assert "2001:db8::1" in page  # What somebody did stays, when they are gone.
    assert "bytes=0-9" in page
    assert "198.51.100.7" not in page


def test_page_shows_only_the_latest_downloads(operator, monkeypatch):
    monkeypatch.setattr(inlines, "DOWNLOADS_SHOWN", 2)
    export = make(Status.SUCCEEDED)
    for number in range(4):
        Download.objects.create(export=export, user=export.owner, range=f"bytes={number}-")
    other = make(Status.SUCCEEDED)
    Download.objects.bulk_create(Download(export=other, user=other.owner) for _ in range(2))

    page = text(operator.get(change(export)))

    assert re.findall(r"bytes=\d-(?=<)", page) == ["bytes=3-", "bytes=2-"]


def test_more_parts_tasks_or_downloads_cost_no_more_queries(operator):
    export = make(Status.RUNNING)

    def add(numbers):
        for number in numbers:
            Part.objects.create(export=export, number=number, upto_key=str(number), rows=1)
            TaskRun.objects.create(export=export, task_id=f"task-{number}", attempt=number)
            TaskResult.objects.create(task_id=f"task-{number}")
            Download.objects.create(export=export, user=export.owner)

    add([1])
    one = cost(operator, change(export))
    add(range(2, 20))

    assert cost(operator, change(export)) == one


# -- The panel of a page, and its buttons --------------------------------------------------------


# What may be asked of an export in each status: a copy of its own, so that a button too many fails.
OFFERED = {
    "queued": ["pause", "cancel"],
    "running": ["pause", "cancel"],
    "pausing": ["cancel"],
    "paused": ["resume", "cancel"],
    "cancelling": [],
    "cancelled": ["retry"],
    "failed": ["retry"],
    "succeeded": ["again"],
}


def buttons(response):
    """Where the buttons of a page post to."""
    return re.findall(r'formaction="([^"]*)"', text(response))


def press(client, export, name, **options):
    """Press a button, and go where it leads: the page, what it says, and the export then."""
    page = client.post(f"{LIST}{export.pk}/{name}/", follow=True, **options)
    export.refresh_from_db()
    return page, [str(message) for message in page.context["messages"]]


@pytest.mark.parametrize("status", OFFERED)
def test_page_offers_only_the_buttons_of_its_status(operator, status):
    export = make(Status(status))

    page = operator.get(change(export))

    assert buttons(page) == [f"{LIST}{export.pk}/{name}/" for name in OFFERED[status]]
    assert f'<p class="waybill-status" data-status="{status}">' in text(page)


def test_page_follows_its_export_from_before_the_read(operator, monkeypatch):
    export = make(Status.RUNNING, rows_total=100, rows_done=10)
    before = backlog.current_cursor(export.stream)
    heads = backlog.heads

    def tick_meanwhile(names):
        found = heads(names)
        Export.objects.filter(pk=export.pk).update(rows_done=20)
        export.refresh_from_db()
        with transaction.atomic():
            announce(export)
        return found

    monkeypatch.setattr(backlog, "heads", tick_meanwhile)
    page = operator.get(change(export))

    assert streams(page) == {export.stream: before}
    assert "20 of 100 rows (20%)" in text(page)


def test_buttons_report_their_effect(operator):
    queued, running = make(Status.QUEUED), make(Status.RUNNING)

    assert press(operator, queued, "pause")[1] == ["The export was paused."]
    assert press(operator, queued, "resume")[1] == ["The export is back in the queue."]
    assert press(operator, queued, "cancel")[1] == ["The export was cancelled."]
    assert press(operator, running, "pause")[1] == ["The export is being paused."]
    assert press(operator, running, "cancel")[1] == ["The export is being cancelled."]
    assert [queued.status, running.status] == ["cancelled", "cancelling"]


def test_late_button_press_explains_itself_and_changes_nothing(operator):
    over = make(Status.SUCCEEDED)

    page, messages = press(operator, over, "cancel")

    assert messages == ["This export is succeeded. It can no longer be cancelled."]
    assert page.redirect_chain[-1][0] == change(over)
    assert over.status == Status.SUCCEEDED


@pytest.mark.parametrize(("status", "name"), [("failed", "retry"), ("succeeded", "again")])
def test_repetition_leads_to_the_new_export(operator, status, name):
    over = make(Status(status), owner=User.objects.create_superuser("owner"))

    page, messages = press(operator, over, name)

    (new,) = Export.objects.filter(origin=over)
    assert page.redirect_chain[-1][0] == change(new)
    assert messages == ["This is the new export. It belongs to the owner of the original."]
    assert press(operator, over, name)[1] == ["You already started this export."]


def test_button_returns_to_the_page_with_its_list_filters(operator):
    export, opened = make(), "?_changelist_filters=status__exact%3Dqueued"

    (pause, _) = buttons(operator.get(change(export) + opened))
    answer = operator.post(pause)

    assert pause.endswith(opened)
    assert answer.headers["Location"] == change(export) + opened


def test_button_needs_a_post_with_a_csrf_token(operator):
    export = make()
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get(username="operator"))

    assert operator.get(f"{LIST}{export.pk}/cancel/").headers["Location"] == change(export)
    assert client.post(f"{LIST}{export.pk}/cancel/").status_code == 403
    export.refresh_from_db()
    assert export.status == Status.QUEUED


def test_buttons_need_the_permission_to_change_exports():
    export = make()
    looking = staff_with("view_export")

    assert buttons(looking.get(change(export))) == []
    assert looking.post(f"{LIST}{export.pk}/cancel/").status_code == 403
    export.refresh_from_db()
    assert export.status == Status.QUEUED
    somebody = User.objects.get(username="somebody")
    somebody.user_permissions.add(Permission.objects.get(codename="change_export"))
    assert len(buttons(looking.get(change(export)))) == 2
    press(looking, export, "cancel")
    assert export.status == Status.CANCELLED


def test_staff_may_stop_their_own_exports():
    client = staff_with("view_export")
    export = make(owner=User.objects.get(username="somebody"))

    assert press(client, export, "cancel")[1] == ["The export was cancelled."]


def test_admin_hides_own_exports_without_view_permission():
    client = staff_with("view_flight")

    for export in (make(), make(owner=User.objects.get(username="somebody"))):
        assert client.post(f"{LIST}{export.pk}/cancel/").status_code == 404
        export.refresh_from_db()
        assert export.status == Status.QUEUED


def test_failed_export_shows_the_workers_of_its_parts(operator):
    export = make(Status.FAILED, error="The disk is full.")
    Part.objects.create(
        export=export, number=1, upto_key="9", rows=9, attempt=3, worker="worker-7@host"
    )

    page = text(operator.get(change(export)))

    assert "<strong>Failed.</strong>" in page
    assert "The disk is full." in page
    parts = page.split('id="parts-group"')[1].split('id="task_runs-group"')[0]
    assert "worker-7@host" in parts
    assert "<p>3</p>" in parts
