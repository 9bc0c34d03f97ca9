"""What the pages say of an export, and that it is so."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from exports import lifecycle
from exports.status import Status
from notifications.streams import current_cursor, publish
from tests.support import exporting
from tests.support.pages import DASHBOARD, page, text_of

pytestmark = pytest.mark.django_db


def streams_of(response):
    return response.context["streams"]


@pytest.mark.proves("whole-log-on-late-pages")
def test_dashboard_has_a_cursor_for_newer_events(signed_in, user, make_export):
    before = current_cursor(f"user-{user.pk}")
    make_export()

    streams = streams_of(signed_in.get(DASHBOARD))

    assert list(streams) == [f"user-{user.pk}"]
    assert streams[f"user-{user.pk}"] == current_cursor(f"user-{user.pk}") != before


def test_running_export_shows_its_progress(signed_in, make_export):
    make_export(
        status=Status.RUNNING,
        stage="extracting",
        rows_done=500,
        rows_total=1458,
        rate=100.0,
        attempt=1,
    )

    response = signed_in.get(DASHBOARD)

    text = text_of(response)
    assert "500 of 1,458 rows (34%) 100 rows/s about 10 sec left" in text
    assert '<progress aria-label="Progress" max="1458" value="500">' in response.content.decode()


def test_bar_has_no_value_before_the_rows_are_counted(signed_in, make_export):
    make_export(status=Status.RUNNING, stage="counting", attempt=1)

    response = signed_in.get(DASHBOARD)

    assert "Counting rows." in text_of(response)
    assert '<progress aria-label="Progress">' in response.content.decode()


def test_embedded_snapshot_belongs_to_the_shown_export(signed_in, make_export):
    export = make_export(rows_done=7, label='</li> & "')

    content = signed_in.get(DASHBOARD).content.decode()

    found = re.search(r'data-snapshot="([^"]*)"', content)
    snapshot = json.loads(unescape(found[1]))
    assert (snapshot["id"], snapshot["label"]) == (str(export.pk), '</li> & "')


@pytest.mark.parametrize("query", ["", "?sheet"])
def test_fetched_fragment_is_as_new_as_its_frame(signed_in, make_export, query):
    export = make_export()
    lifecycle.pause(export)

    content = signed_in.get(page("card", export) + query).content.decode()

    shown = json.loads(unescape(re.search(r'data-snapshot="([^"]*)"', content)[1]))
    told = exporting.retained(export.owner_stream, export.key)
    assert shown["version"] == told["version"] == 2
    assert 'data-status="paused"' in content


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (0, "This export is next."),
        (1, "1 export is ahead."),
        (2, "2 exports are ahead."),
    ],
)
def test_queued_export_shows_how_many_are_ahead(signed_in, make_export, ahead, words):
    for _ in range(ahead):
        make_export()

    response = signed_in.get(page("detail", make_export()))

    assert f"Waiting for a worker. {words}" in text_of(response)


@pytest.mark.parametrize(
    ("status", "sentence", "buttons"),
    [
        ("queued", "Waiting for a worker. This export is next.", {"Pause", "Cancel"}),
        ("running", "Writing rows.", {"Pause", "Cancel"}),
        ("pausing", "Pausing. The worker stops", {"Cancel"}),
        ("paused", "Paused. Finished parts are kept", {"Resume", "Cancel"}),
        ("cancelling", "Cancelling. The worker stops", set()),
        ("cancelled", "Cancelled. No file was created.", {"Retry"}),
        ("succeeded", "File expired.", {"Run again"}),
        ("failed", "Failed. The disk is full.", {"Retry"}),
    ],
)
def test_each_status_has_its_text_and_buttons(signed_in, make_export, status, sentence, buttons):
    final = status in {"cancelled", "succeeded", "failed"}
    export = make_export(
        status=status,
        error="The disk is full.",
        attempt=0 if status == "queued" else 1,
        finished_at=timezone.now() if final else None,
    )

    response = signed_in.get(page("card", export))

    assert sentence in text_of(response)
    content = response.content.decode()
    assert set(re.findall(r"<button[^>]*><svg .*?</svg>([^<]+)</button>", content)) == buttons
    assert f'<use href="#icon-{"expired" if status == "succeeded" else status}"/>' in content


def test_unexpected_error_is_explained_with_folded_details(signed_in, make_export):
    export = make_export(
        status=Status.FAILED,
        error="KeyError: <'faa'>",
        attempt=2,
        worker="worker@here",
        finished_at=timezone.now(),
    )
    with transaction.atomic():
        lines = [{"message": f"line {number}"} for number in range(1, 8)]
        publish.append_many(export.stream, [("log", line) for line in lines])
        publish.append(export.stream, "export.failed", {})

    response = signed_in.get(page("card", export))

    before, details = response.content.decode().split("<details", 1)
    assert "Something unexpected went wrong." in before
    assert "KeyError" not in re.sub(r"<li [^>]*>", "", before)
    assert "<code>KeyError: &lt;&#x27;faa&#x27;&gt;</code>" in details
    assert "<dd>worker@here</dd>" in details
    assert re.findall(r"line (\d)", details) == ["3", "4", "5", "6", "7"]
    assert f'href="{export.get_absolute_url()}#log"' in details


def test_export_without_a_file_shows_how_far_it_came(signed_in, make_export):
    # Its unfinished part was dropped: 900 had been read.
    fields = {"rows_total": 1458, "rows_done": 500, "rows_most": 900}
    export = make_export(status=Status.CANCELLED, finished_at=timezone.now(), **fields)

    assert "stopped at 900 of 1,458 rows (61%)" in text_of(signed_in.get(page("card", export)))


def test_bar_that_moved_back_is_explained(signed_in, make_export):
    fields = {"rows_total": 1458, "rows_done": 500, "rows_most": 900}
    export = make_export(status=Status.RUNNING, stage="extracting", **fields)

    text = text_of(signed_in.get(page("card", export)))

    assert "500 of 1,458 rows (34%)" in text
    assert "400 rows of an unfinished part are being re-read" in text


def test_silent_worker_is_reported(signed_in, make_export, settings):
    settings.EXPORTS_LEASE_SECONDS = 30
    running = {"status": Status.RUNNING, "stage": "extracting", "rate": 90.0, "rows_total": 1458}
    silent = timezone.now() + timedelta(seconds=9.5)  # Its lease was renewed 20 seconds ago.
    alive = timezone.now() + timedelta(seconds=29)

    first = text_of(signed_in.get(page("card", make_export(**running, lease_expires_at=silent))))
    second = text_of(signed_in.get(page("card", make_export(**running, lease_expires_at=alive))))

    # Some seconds of the test's own may have passed.
    sentence = (
        r"No update for 2\d sec. If the worker has stopped, another takes over within 40 sec."
    )
    assert re.search(sentence, first)
    assert "rows/s" not in first
    assert "No update" not in second
    assert "90 rows/s" in second


def test_bar_shows_the_assembly_of_the_file(signed_in, make_export):
    rows = {"rows_total": 1458, "rows_done": 1458, "rate": 100.0}
    export = make_export(status=Status.RUNNING, stage="assembling", assembled=0.25, **rows)

    response = signed_in.get(page("card", export))

    assert 'max="1" value="0.25"' in response.content.decode()
    assert "25% of the file 100 rows/s about 11 sec left" in text_of(response)


def test_lost_worker_is_mentioned_and_a_hand_over_is_not(signed_in, make_export):
    lost = make_export(status=Status.RUNNING, attempt=2, handovers=0)
    handed_over = make_export(status=Status.RUNNING, attempt=2, handovers=1)

    assert "a worker stopped" in text_of(signed_in.get(page("card", lost)))
    assert "a worker stopped" not in text_of(signed_in.get(page("card", handed_over)))


def test_history_has_pages_of_25_newest_first(signed_in, make_export):
    now = timezone.now()
    for number in range(26):
        make_export(
            status=Status.CANCELLED,
            finished_at=now - timedelta(minutes=number),
            label=f"number {number}",
        )

    first, second = signed_in.get(DASHBOARD), signed_in.get(f"{DASHBOARD}?page=2")

    assert [export.label for export in second.context["history"]] == ["number 25"]
    assert first.context["history"][0].label == "number 0"
    assert "Page 1 of 2" in text_of(first)


def test_only_the_first_history_page_is_live(signed_in, make_export):
    for _ in range(26):
        make_export(status=Status.CANCELLED, finished_at=timezone.now())

    first, second = signed_in.get(DASHBOARD), signed_in.get(f"{DASHBOARD}?page=2")

    assert 'data-list="history"' in first.content.decode()
    assert 'data-list="history"' not in second.content.decode()


def test_finished_export_shows_rows_checksum_and_expiry(signed_in, finished):
    text = text_of(signed_in.get(page("detail", finished)))

    assert "50,000 rows" in text
    assert finished.sha256 in text
    assert "The file is kept until" in text


@pytest.mark.parametrize(
    ("consistency", "sentence"),
    [
        ("row", "Read between 10:00:01 and 10:00:09"),
        ("snapshot", "Snapshot at 10:00:01"),
    ],
)
def test_finished_export_shows_when_its_rows_were_read(
    signed_in, make_export, consistency, sentence
):
    first, last = (datetime(2013, 1, 1, 10, 0, second, tzinfo=UTC) for second in (1, 9))
    fields = {"consistency": consistency, "read_from": first, "read_until": last}
    done = make_export(status=Status.SUCCEEDED, finished_at=last, **fields)
    running = make_export(status=Status.RUNNING, **fields)

    assert sentence in text_of(signed_in.get(page("detail", done)))
    assert " were " not in text_of(signed_in.get(page("detail", running)))


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (1, "1 formula-like cell was escaped"),
        (1200, "1,200 formula-like cells were escaped"),
    ],
)
def test_finished_export_counts_escaped_cells(signed_in, make_export, cells, sentence):
    export = make_export(status=Status.SUCCEEDED, finished_at=timezone.now(), protected_cells=cells)

    assert sentence in text_of(signed_in.get(page("detail", export)))


def test_file_without_escaped_cells_mentions_none(signed_in, finished):
    assert "harmless" not in text_of(signed_in.get(page("detail", finished)))


def test_pages_are_cached_by_the_browser_only(signed_in, make_export):
    for url in (DASHBOARD, page("detail", make_export())):
        assert signed_in.get(url)["Cache-Control"] == "private, no-cache"


def test_pages_have_no_inline_code(signed_in, make_export):
    """The content security policy would refuse it."""
    for url in (DASHBOARD, page("detail", make_export()), reverse("login")):
        content = signed_in.get(url).content.decode()

        assert not re.search(r"<style|<script(?![^>]*src=)|\son\w+=|\sstyle=", content)
