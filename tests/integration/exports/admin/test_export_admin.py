"""All exports in the admin: live, read-only, and stopped from there through lifecycle."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_celery_results.models import TaskResult

from exports.admin import inlines
from exports.lifecycle.announce import announce
from exports.models import Download, Export, Part, PartStatus, TaskRun
from exports.status import Status
from notifications.streams import backlog

pytestmark = pytest.mark.django_db

LIST = "/admin/exports/export/"


def staff_with(*codenames):
    """Signed in as somebody of the staff with these permissions and no others."""
    user = User.objects.create_user("somebody", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    assert user.user_permissions.count() == len(codenames)
    client = Client()
    client.force_login(user)
    return client


def make(status=Status.QUEUED, **fields):
    """An export, and what has been said of it on its streams."""
    fields.setdefault("label", "Flights")
    if "owner" not in fields:
        fields["owner"] = User.objects.get_or_create(username="owner")[0]
    export = Export.objects.create(exporter="flights", status=status, **fields)
    with transaction.atomic():
        announce(export, f"export.{status}")
    return export


def change(export):
    return f"{LIST}{export.pk}/change/"


def text(response):
    return unescape(response.content.decode())


def streams(response):
    """What the list's script will follow."""
    return json.loads(unescape(re.search(r'data-streams="(.*?)"', response.content.decode())[1]))


def cell(response, export, name):
    found = re.search(rf'data-export="{export.pk}" data-cell="{name}"[^>]*>', text(response))
    return text(response)[found.start() :].split("</", 1)[0].partition(">")[2], found[0]


# -- Who may do what ----------------------------------------------------------------------


def test_seeing_exports_needs_the_permission():
    assert staff_with("view_flight", "export_flight").get(LIST).status_code == 403


def test_who_may_view_exports_sees_those_of_all():
    make(label="Somebody's flights")

    assert "Somebody's flights" in text(staff_with("view_export").get(LIST))


def test_the_list_says_with_whom_each_is_shared_and_can_be_of_one_team(operator):
    team = Group.objects.create(name="Analysts")
    make(label="Shared flights", team=team)
    make(label="Flights of one's own")

    listed, filtered = operator.get(LIST), operator.get(LIST, {"team__id__exact": team.pk})

    assert '<td class="field-team nowrap">Analysts</td>' in text(listed)
    assert "Flights of one's own" in text(listed)
    assert "Shared flights" in text(filtered)
    assert "Flights of one's own" not in text(filtered)


def test_nobody_adds_changes_or_deletes_an_export(operator):
    export = make()

    assert operator.get(f"{LIST}add/").status_code == 403
    assert operator.post(change(export), {"label": "Mine"}).status_code == 403
    assert operator.post(f"{LIST}{export.pk}/delete/", {"post": "yes"}).status_code == 403
    export.refresh_from_db()
    assert export.label == "Flights"


# -- The list ---------------------------------------------------------------------------------


def test_the_list_follows_what_is_under_way_and_nothing_else(operator):
    running, queued = make(Status.RUNNING), make(Status.QUEUED)
    make(Status.SUCCEEDED)

    assert streams(operator.get(LIST)) == {
        each.stream: backlog.current_cursor(each.stream) for each in (running, queued)
    }


def test_the_cursors_are_older_than_the_rows(operator, monkeypatch):
    """What happens while the list is made comes over the socket again, rather than never."""
    export = make(Status.RUNNING, rows_total=100, rows_done=10)
    before = backlog.current_cursor(export.stream)
    heads = backlog.heads

    def tick_meanwhile(names):
        found = heads(names)
        export.rows_done = 20
        export.save()
        with transaction.atomic():
            announce(export)
        return found

    monkeypatch.setattr(backlog, "heads", tick_meanwhile)
    listed = operator.get(LIST)

    assert cell(listed, export, "rows")[0] == "20 / 100"
    assert streams(listed) == {export.stream: before}


def test_an_export_has_a_bar_while_it_is_under_way(operator):
    counted = make(Status.RUNNING, rows_total=336_776, rows_done=1_000)
    not_counted = make(Status.RUNNING)
    over = make(Status.SUCCEEDED, rows_total=5, rows_done=5)

    listed = operator.get(LIST)

    assert 'max="336776" value="1000"' in cell(listed, counted, "progress")[1]
    assert "value=" not in cell(listed, not_counted, "progress")[1]
    assert cell(listed, over, "progress")[1].endswith("hidden>")


@pytest.mark.parametrize(
    ("status", "rows", "said"),
    [
        (Status.QUEUED, {}, "0"),
        (Status.RUNNING, {"rows_done": 600, "rows_total": 1_000}, "600 / 1,000"),
        (Status.SUCCEEDED, {"rows_done": 1_000, "rows_total": 1_000}, "1,000"),
        (Status.SUCCEEDED, {"rows_done": 0, "rows_total": 0}, "0"),
        (Status.CANCELLED, {"rows_done": 0, "rows_most": 600, "rows_total": 1_000}, "600 / 1,000"),
        (Status.FAILED, {"rows_done": 600}, "600"),
        (Status.FAILED, {"rows_total": 1_000}, ""),
    ],
)
def test_the_rows_of_what_has_no_file_are_those_that_its_card_names(operator, status, rows, said):
    export = make(status, **rows)

    assert cell(operator.get(LIST), export, "rows")[0] == said
    page = text(operator.get(change(export)))
    has_stopped = status in {Status.CANCELLED, Status.FAILED} and said
    assert (f"stopped at {said.replace(' / ', ' of ')} rows" in page) == bool(has_stopped)
    assert f'data-cell="rows" data-reached="{export.rows_reached}">{said}<' in page


def test_a_duration_is_there_once_a_worker_has_started(operator):
    start = timezone.now() - timedelta(minutes=5)
    waiting = make(Status.QUEUED)
    over = make(Status.SUCCEEDED, started_at=start, finished_at=start + timedelta(seconds=61))

    listed = operator.get(LIST)

    assert cell(listed, waiting, "took")[0] == ""
    assert cell(listed, over, "took")[0] == "1\xa0min 1\xa0sec"


def cost(client, url):
    """How many queries a page takes, when what is looked up once a process has been."""
    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def test_a_longer_list_costs_no_more_queries(operator):
    for number in range(2):
        make(Status.RUNNING, owner=User.objects.create(username=f"owner{number}"))
    two = cost(operator, LIST)
    for number in range(2, 12):
        status = Status.QUEUED if number % 2 else Status.SUCCEEDED
        make(status, owner=User.objects.create(username=f"owner{number}"))

    assert cost(operator, LIST) == two


@pytest.mark.parametrize("asked", ["id", "label", "owner"])
def test_exports_are_found_by_id_label_and_owner(operator, asked):
    wanted = make(label="Delays", owner=User.objects.create(username="ann"))
    make()

    words = {"id": str(wanted.pk), "label": "delay", "owner": "ann"}
    listed = operator.get(LIST, {"q": words[asked]})

    assert [each.pk for each in listed.context["cl"].result_list] == [wanted.pk]


# -- Actions ---------------------------------------------------------------------------------


def act(client, action, *exports):
    data = {"action": action, "index": "0", "_selected_action": [each.pk for each in exports]}
    answer = client.post(LIST, data, follow=True)
    for each in exports:
        each.refresh_from_db()
    return [str(message) for message in answer.context["messages"]]


def test_cancel_stops_what_can_be_and_says_why_the_rest_was_not(operator):
    queued, running, paused = make(Status.QUEUED), make(Status.RUNNING), make(Status.PAUSED)
    over = [make(Status.SUCCEEDED), make(Status.SUCCEEDED)]

    messages = act(operator, "cancel", queued, running, paused, *over)

    assert [queued.status, running.status, paused.status] == [
        "cancelled",
        "cancelling",
        "cancelled",
    ]
    assert messages == [
        "3 exports are cancelled, or will be when their workers notice.",
        "2 exports were left as they are: This export is succeeded. "
        "It cannot be cancelled any more.",
    ]


def test_pause_and_resume_go_through_lifecycle(operator):
    queued, running, over = make(Status.QUEUED), make(Status.RUNNING), make(Status.FAILED)

    assert len(act(operator, "pause", queued, running, over)) == 2
    assert [queued.status, running.status, over.status] == ["paused", "pausing", "failed"]
    assert act(operator, "resume", queued) == ["1 export is back in the queue."]
    assert queued.status == Status.QUEUED


def test_run_again_asks_anew_for_the_owners_and_says_why_the_rest_was_left(operator):
    owner = User.objects.create_superuser("owner")
    over = [make(status, label=status) for status in ("failed", "cancelled", "succeeded")]
    waiting = make(Status.QUEUED)

    messages = act(operator, "run_again", *over, waiting)

    new = Export.objects.exclude(origin=None)
    assert {export.origin for export in new} == set(over)
    assert {(export.owner, export.status) for export in new} == {(owner, "queued")}
    assert messages == [
        "3 exports run again, as new ones.",
        "1 export was left as it is: This export is queued. Only a failed or cancelled one can "
        "be retried; one that has succeeded can be run again.",
    ]


def test_run_again_is_refused_for_an_owner_who_may_not(operator):
    failed = make(Status.FAILED)

    (message,) = act(operator, "run_again", failed)

    assert 'left as it is: owner would be told: You may not export "Flights".' in message
    assert Export.objects.count() == 1


def test_actions_are_for_who_may_change_exports():
    export = make()
    client = staff_with("view_export")

    assert 'name="action"' not in text(client.get(LIST))
    act(client, "cancel", export)
    assert export.status == Status.QUEUED


# -- The page of one export -------------------------------------------------------------------


def test_a_page_links_the_own_page_of_an_export_and_its_file(operator):
    soon = timezone.now() + timedelta(hours=1)
    ready = make(Status.SUCCEEDED, file="exports/1.csv", expires_at=soon)
    expired = make(Status.SUCCEEDED, file="exports/2.csv", expires_at=timezone.now())

    assert f'<a href="{ready.get_absolute_url()}">' in text(operator.get(change(ready)))
    assert f'href="/exports/{ready.pk}/file"' in text(operator.get(change(ready)))
    assert f"/exports/{expired.pk}/file" not in text(operator.get(change(expired)))


def test_a_page_has_nothing_to_fill_in(operator):
    export = make(Status.RUNNING)
    Part.objects.create(export=export, number=1, upto_key="9", rows=9, status=PartStatus.CLAIMED)

    page = text(operator.get(change(export))).split('id="content-main"')[1]

    assert "Claimed" in page
    kinds = re.findall(r"<(?:input|select|textarea)[^>]*>", page)
    assert [kind for kind in kinds if 'type="hidden"' not in kind] == []


def test_a_page_links_the_task_results_that_are_there(operator):
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


def test_task_results_are_linked_for_who_may_see_them():
    export = make(Status.RUNNING)
    TaskRun.objects.create(export=export, task_id="task-1", attempt=1)
    TaskResult.objects.create(task_id="task-1", status="FAILURE")

    page = text(staff_with("view_export").get(change(export)))

    assert "task-1" in page
    assert "taskresult" not in page
    assert "FAILURE" not in page


def test_a_page_says_who_has_downloaded_the_file(operator):
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


def test_of_very_many_downloads_the_last_are_shown(operator, monkeypatch):
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


# -- The panel of a page, and its buttons -----------------------------------------------------

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
def test_a_page_offers_what_its_status_allows_and_nothing_else(operator, status):
    export = make(Status(status))

    page = operator.get(change(export))

    assert buttons(page) == [f"{LIST}{export.pk}/{name}/" for name in OFFERED[status]]
    assert f'<p class="waybill-status" data-status="{status}">' in text(page)


def test_a_page_follows_its_export_from_before_its_rows_were_read(operator, monkeypatch):
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


def test_buttons_say_honestly_what_came_of_it(operator):
    queued, running = make(Status.QUEUED), make(Status.RUNNING)

    assert press(operator, queued, "pause")[1] == ["This export is paused."]
    assert press(operator, queued, "resume")[1] == ["This export is back in the queue."]
    assert press(operator, queued, "cancel")[1] == ["This export is cancelled."]
    assert press(operator, running, "pause")[1] == [
        "This export will be paused when its worker notices."
    ]
    assert press(operator, running, "cancel")[1] == [
        "This export will be cancelled when its worker notices."
    ]
    assert [queued.status, running.status] == ["cancelled", "cancelling"]


def test_a_button_that_comes_too_late_says_why_and_changes_nothing(operator):
    over = make(Status.SUCCEEDED)

    page, messages = press(operator, over, "cancel")

    assert messages == ["This export is succeeded. It cannot be cancelled any more."]
    assert page.redirect_chain[-1][0] == change(over)
    assert over.status == Status.SUCCEEDED


@pytest.mark.parametrize(("status", "name"), [("failed", "retry"), ("succeeded", "again")])
def test_a_repetition_leads_to_the_new_export(operator, status, name):
    over = make(Status(status), owner=User.objects.create_superuser("owner"))

    page, messages = press(operator, over, name)

    (new,) = Export.objects.filter(origin=over)
    assert page.redirect_chain[-1][0] == change(new)
    assert messages == ["This is the new export. It is its owner's, as the one that it repeats."]
    assert press(operator, over, name)[1] == ["This export is already under way."]


def test_a_button_leads_back_to_the_page_as_it_was_opened_from_a_list(operator):
    export, opened = make(), "?_changelist_filters=status__exact%3Dqueued"

    (pause, _) = buttons(operator.get(change(export) + opened))
    answer = operator.post(pause)

    assert pause.endswith(opened)
    assert answer.headers["Location"] == change(export) + opened


def test_a_get_does_nothing_and_a_post_needs_the_token(operator):
    export = make()
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get(username="operator"))

    assert operator.get(f"{LIST}{export.pk}/cancel/").headers["Location"] == change(export)
    assert client.post(f"{LIST}{export.pk}/cancel/").status_code == 403
    export.refresh_from_db()
    assert export.status == Status.QUEUED


def test_who_may_only_look_has_no_buttons_and_who_may_change_has():
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


def test_an_owner_of_the_staff_may_stop_their_own():
    client = staff_with("view_export")
    export = make(owner=User.objects.get(username="somebody"))

    assert press(client, export, "cancel")[1] == ["This export is cancelled."]


def test_without_the_permission_to_see_exports_the_admin_has_not_even_ones_own():
    client = staff_with("view_flight")

    for export in (make(), make(owner=User.objects.get(username="somebody"))):
        assert client.post(f"{LIST}{export.pk}/cancel/").status_code == 404
        export.refresh_from_db()
        assert export.status == Status.QUEUED


def test_the_parts_of_a_failed_export_say_who_had_them(operator):
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


# -- What is new since the list was made ------------------------------------------------------


def news(response):
    return json.loads(unescape(re.search(r'data-news="(.*?)"', response.content.decode())[1]))


def asked(client, told):
    return set(client.get(told["url"]).json()["ids"]) - set(told["seen"])


def test_a_list_learns_of_exports_that_came_after_it(operator):
    make()
    told = news(operator.get(LIST))
    assert asked(operator, told) == set()

    new = make()

    assert asked(operator, told) == {str(new.pk)}


def test_an_export_that_was_saved_before_and_committed_after_is_news(operator):
    newest = make()
    told = news(operator.get(LIST))

    late = make()
    saved = newest.created_at - timedelta(seconds=30)
    Export.objects.filter(pk=late.pk).update(created_at=saved)

    assert asked(operator, told) == {str(late.pk)}


def test_an_export_that_came_while_the_list_was_made_is_news(operator, monkeypatch):
    came = []
    heads = backlog.heads
    monkeypatch.setattr(backlog, "heads", lambda names: came.append(make()) or heads(names))

    told = news(operator.get(LIST))

    assert asked(operator, told) == {str(came[0].pk)}


def test_news_are_those_that_the_list_would_show(operator):
    told = news(operator.get(LIST, {"format__exact": "xlsx", "o": "1", "p": "1"}))

    make(format="csv")
    wanted = make(format="xlsx")

    assert asked(operator, told) == {str(wanted.pk)}


def test_news_are_for_who_may_see_exports_and_a_bad_question_has_none(operator):
    make()
    stranger = staff_with("view_flight")

    assert stranger.get(f"{LIST}news/0/").status_code == 403
    for bad in ("news/0/?nothing__like=it", f"news/{10**30}/"):
        assert operator.get(LIST + bad).json() == {"ids": []}


# -- The file, in the list --------------------------------------------------------------------


def test_the_list_links_files_for_who_may_have_them():
    soon = timezone.now() + timedelta(hours=1)
    ready = make(Status.SUCCEEDED, file="exports/1.csv", expires_at=soon)
    running = make(Status.RUNNING)
    client = staff_with("view_export", "export_flight")

    listed = client.get(LIST)

    link = re.search(rf'<a href="/exports/{ready.pk}/file"[^>]*>', text(listed))[0]
    assert not link.endswith(" hidden>")
    # The script shows it when the file is there.
    assert cell(listed, running, "file")[1].endswith(" hidden>")
    User.objects.get(username="somebody").user_permissions.remove(
        Permission.objects.get(codename="export_flight")
    )
    assert "/file" not in text(client.get(LIST)).split('id="result_list"')[1]


def test_a_status_has_a_word_and_a_name_for_its_shape(operator):
    export = make(Status.PAUSING)

    assert cell(operator.get(LIST), export, "status") == (
        "Pausing",
        f'data-export="{export.pk}" data-cell="status">',
    )
    assert '<span class="waybill-status" data-status="pausing"' in text(operator.get(LIST))


# -- What a strict content security policy forbids ---------------------------------------------


def test_the_pages_have_no_inline_script_or_style(operator):
    export = make(Status.RUNNING)
    pages = (
        *(LIST, change(export), "/admin/demo/flight/", "/admin/demo/flight/export/"),
        *(f"{LIST}health/", "/admin/notifications/event/", "/admin/notifications/stream/"),
    )

    for page in pages:
        answer = operator.get(page)

        assert answer.status_code == 200
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        html = answer.content.decode()
        assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", html) == [], page
