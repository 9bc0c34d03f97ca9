"""The list of all exports: live, and with what is new since it was made."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.utils import timezone

from exports.lifecycle.announce import announce
from exports.models import Export
from exports.status import Status
from notifications.streams import backlog
from tests.support.export_admin import LIST, change, cost, make, staff_with, streams
from tests.support.pages import text

pytestmark = pytest.mark.django_db


def cell(response, export, name):
    found = re.search(rf'data-export="{export.pk}" data-cell="{name}"[^>]*>', text(response))
    return text(response)[found.start() :].split("</", 1)[0].partition(">")[2], found[0]


# -- The list ------------------------------------------------------------------------------------


def test_list_follows_active_exports_only(operator):
    running, queued = make(Status.RUNNING), make(Status.QUEUED)
    make(Status.SUCCEEDED)

    assert streams(operator.get(LIST)) == {
        each.stream: backlog.current_cursor(each.stream) for each in (running, queued)
    }


def test_stream_cursors_are_older_than_the_rows(operator, monkeypatch):
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


def test_active_export_has_a_progress_bar(operator):
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
def test_rows_of_an_export_without_a_file_match_its_card(operator, status, rows, said):
    export = make(status, **rows)

    assert cell(operator.get(LIST), export, "rows")[0] == said
    page = text(operator.get(change(export)))
    has_stopped = status in {Status.CANCELLED, Status.FAILED} and said
    assert (f"stopped at {said.replace(' / ', ' of ')} rows" in page) == bool(has_stopped)
    assert f'data-cell="rows" data-reached="{export.rows_reached}">{said}<' in page


def test_duration_is_shown_after_a_worker_has_started(operator):
    start = timezone.now() - timedelta(minutes=5)
    waiting = make(Status.QUEUED)
    over = make(Status.SUCCEEDED, started_at=start, finished_at=start + timedelta(seconds=61))

    listed = operator.get(LIST)

    assert cell(listed, waiting, "took")[0] == ""
    assert cell(listed, over, "took")[0] == "1\xa0min 1\xa0sec"


def test_longer_list_costs_no_more_queries(operator):
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


# -- What is new since the list was made ---------------------------------------------------------


def news(response):
    return json.loads(unescape(re.search(r'data-news="(.*?)"', response.content.decode())[1]))


def asked(client, told):
    return set(client.get(told["url"]).json()["ids"]) - set(told["seen"])


def test_list_learns_of_newer_exports(operator):
    make()
    told = news(operator.get(LIST))
    assert asked(operator, told) == set()

    new = make()

    assert asked(operator, told) == {str(new.pk)}


def test_list_learns_of_an_export_that_was_committed_late(operator):
    newest = make()
    told = news(operator.get(LIST))

    late = make()
    saved = newest.created_at - timedelta(seconds=30)
    Export.objects.filter(pk=late.pk).update(created_at=saved)

    assert asked(operator, told) == {str(late.pk)}


def test_list_learns_of_an_export_created_while_it_rendered(operator, monkeypatch):
    came = []
    heads = backlog.heads
    monkeypatch.setattr(backlog, "heads", lambda names: came.append(make()) or heads(names))

    told = news(operator.get(LIST))

    assert asked(operator, told) == {str(came[0].pk)}


def test_new_exports_are_reported_within_the_lists_filters(operator):
    told = news(operator.get(LIST, {"format__exact": "xlsx", "o": "1", "p": "1"}))

    make(format="csv")
    wanted = make(format="xlsx")

    assert asked(operator, told) == {str(wanted.pk)}


def test_new_exports_need_permission_and_valid_parameters(operator):
    make()
    stranger = staff_with("view_flight")

    assert stranger.get(f"{LIST}news/0/").status_code == 403
    for bad in ("news/0/?nothing__like=it", f"news/{10**30}/"):
        assert operator.get(LIST + bad).json() == {"ids": []}


# -- The file, in the list -----------------------------------------------------------------------


def test_list_links_files_only_for_permitted_users():
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


def test_status_has_a_label_and_a_shape(operator):
    export = make(Status.PAUSING)

    assert cell(operator.get(LIST), export, "status") == (
        "Pausing",
        f'data-export="{export.pk}" data-cell="status">',
    )
    assert '<span class="waybill-status" data-status="pausing"' in text(operator.get(LIST))
