"""The pages: who sees what, and that what they say is so."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Permission
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.test import AsyncClient, Client
from django.urls import reverse
from django.utils import timezone

from exports import lifecycle
from exports.files import download
from exports.models import Export
from exports.status import Status
from notifications.streams import current_cursor, publish
from tests.support import exporting

pytestmark = pytest.mark.django_db

DASHBOARD = reverse("exports:dashboard")


@pytest.fixture
def make_user(django_user_model):
    def make(name, *permissions):
        user = django_user_model.objects.create_user(name)
        user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
        return user

    return make


@pytest.fixture
def user(make_user):
    """Somebody who may export airports."""
    return make_user("somebody", "export_airport")


@pytest.fixture
def make_export(user):
    """A queued export of `user`, with columns set behind the lifecycle's back."""

    def make(owner=user, **fields):
        # Of one question there is one at a time.
        export = lifecycle.request(
            user=owner, exporter="airports", label=f"Airports {uuid.uuid4()}"
        )
        Export.objects.filter(pk=export.pk).update(**fields)
        export.refresh_from_db()
        return export

    return make


@pytest.fixture
def finished(make_export):
    """A succeeded export with its file in storage."""
    content = b"faa,name\r\n" + b"EWR,Newark\r\n" * 50_000
    name = default_storage.save(f"exports/{uuid.uuid4()}/1.csv", ContentFile(content))
    yield make_export(
        status=Status.SUCCEEDED,
        file=name,
        bytes=len(content),
        rows_done=50_000,
        rows_total=50_000,
        sha256=hashlib.sha256(content).hexdigest(),
        finished_at=timezone.now(),
        expires_at=timezone.now() + timedelta(days=7),
        label='Flüge "2013"/\n',
    )
    default_storage.delete(name)


def page(name, export):
    return reverse(f"exports:{name}", args=[export.pk])


def text_of(response):
    """What a person reads on a page, spaces made plain."""
    without_tags = re.sub(r"<[^>]+>", "", response.content.decode())
    return " ".join(unescape(without_tags).split())


def streams_of(response):
    return response.context["streams"]


# -- Who may ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["detail", "card", "file", "log_text"])
def test_who_is_not_signed_in_is_sent_to_the_login_page(client, make_export, name):
    url = page(name, make_export())

    response = client.get(url)

    assert response.status_code == 302
    assert response["Location"] == f"{reverse('login')}?next={url}"


@pytest.mark.parametrize(
    ("method", "name"),
    [
        *(("get", name) for name in ("detail", "card", "file", "log_text")),
        *(("post", name) for name in ("cancel", "pause", "resume", "retry", "again")),
    ],
)
def test_somebody_elses_export_is_not_there(client, make_user, make_export, method, name):
    export = make_export()
    client.force_login(make_user("other", "export_airport"))

    response = getattr(client, method)(page(name, export))

    assert response.status_code == 404
    export.refresh_from_db()
    assert export.status == Status.QUEUED


def test_who_may_view_all_exports_can_open_somebody_elses(client, make_user, make_export):
    export = make_export()
    client.force_login(make_user("auditor", "view_export"))

    assert client.get(page("detail", export)).status_code == 200
    assert not client.get(DASHBOARD).context["active"]


def test_an_export_that_does_not_exist_is_not_there(signed_in):
    assert signed_in.get(reverse("exports:detail", args=[uuid.uuid4()])).status_code == 404


# -- Starting -------------------------------------------------------------------------


def test_starting_an_export_leads_back_to_the_dashboard_at_its_card(signed_in, user):
    response = signed_in.post(
        reverse("exports:create"), {"exporter": "airports", "format": "jsonl"}
    )

    export = Export.objects.get(owner=user)
    assert (response.status_code, response["Location"]) == (303, f"{DASHBOARD}#{export.key}")
    assert (export.exporter, export.format, export.status) == ("airports", "jsonl", Status.QUEUED)
    assert f'id="{export.key}"' in signed_in.get(DASHBOARD).content.decode()


@pytest.mark.parametrize(
    ("field", "data"),
    [
        ("exporter", {"exporter": "nothing", "format": "csv"}),
        ("format", {"exporter": "airports", "format": "xyz"}),
    ],
)
def test_a_wrong_choice_is_named_at_its_field(signed_in, field, data):
    response = signed_in.post(reverse("exports:create"), data)

    assert response.status_code == 422
    assert data[field] in response.context["form"].errors[field][0]
    assert not Export.objects.exists()


CSV = {"exporter": "airports", "format": "csv"}


def test_options_are_asked_for_beside_the_format(signed_in):
    chosen = {"delimiter": "\t", "bom": "on", "gzip": "on"}

    assert signed_in.post(reverse("exports:create"), {**CSV, **chosen}).status_code == 303
    assert Export.objects.get().options == {"delimiter": "\t", "bom": True, "gzip": True}


def test_options_that_nobody_touched_fit_every_format(signed_in):
    untouched = {"exporter": "airports", "format": "parquet", "delimiter": ","}

    assert signed_in.post(reverse("exports:create"), untouched).status_code == 303
    assert Export.objects.get().options == {}


def test_an_option_that_the_format_has_not_is_refused_beside_the_options(signed_in):
    chosen = {"exporter": "airports", "format": "jsonl", "delimiter": ";", "gzip": "on"}

    response = signed_in.post(reverse("exports:create"), chosen)

    content = response.content.decode()
    assert response.status_code == 422
    assert 'JSON Lines has no option "delimiter". It has: gzip (true or false).' in text_of(
        response
    )
    assert re.search(
        r'<details class="options" data-options open>.*JSON Lines has.*</details>', content, re.S
    )
    assert '<option value=";" selected>' in content
    assert not Export.objects.exists()


def test_who_asks_the_same_again_is_led_to_the_card_that_is_there(signed_in):
    first = signed_in.post(reverse("exports:create"), CSV)

    second = signed_in.post(reverse("exports:create"), CSV)

    assert second["Location"] == first["Location"]
    assert Export.objects.count() == 1
    assert "This export is already under way." in text_of(signed_in.get(DASHBOARD))


def test_a_new_export_is_not_said_to_be_under_way_already(signed_in):
    response = signed_in.post(reverse("exports:create"), CSV, follow=True)

    assert "already under way" not in text_of(response)


def test_who_has_too_many_under_way_is_told_what_to_do(signed_in, make_export, settings):
    settings.EXPORTS_MAX_ACTIVE = 1
    make_export()

    response = signed_in.post(reverse("exports:create"), CSV)

    assert response.status_code == 429
    assert "You have 1 of at most 1 exports under way. Wait until one is over" in text_of(response)
    assert "Retry-After" not in response
    assert Export.objects.count() == 1


def test_who_asks_too_often_is_told_when_to_ask_again(signed_in, make_export, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1
    make_export()

    response = signed_in.post(reverse("exports:create"), CSV)

    assert response.status_code == 429
    assert f"Ask again in {response['Retry-After']} s." in text_of(response)


def test_exporter_that_a_user_may_not_run_looks_like_one_that_is_not_there(signed_in):
    response = signed_in.post(reverse("exports:create"), {"exporter": "planes", "format": "csv"})

    assert response.status_code == 422
    assert 'There is no exporter "planes". There are: ' in text_of(response)
    assert "Planes" not in text_of(response)


def test_who_may_export_nothing_is_told_whom_to_ask(client, make_user):
    client.force_login(make_user("guest"))

    response = client.get(DASHBOARD)

    assert "You may not export anything. Ask an administrator" in text_of(response)
    assert "Start export" not in text_of(response)


# -- What the pages say -----------------------------------------------------------------


def test_the_dashboard_is_made_of_a_cursor_and_what_is_newer_than_it(signed_in, user, make_export):
    before = current_cursor(f"user-{user.pk}")
    make_export()

    streams = streams_of(signed_in.get(DASHBOARD))

    assert list(streams) == [f"user-{user.pk}"]
    assert streams[f"user-{user.pk}"] == current_cursor(f"user-{user.pk}") != before


def test_a_running_export_is_shown_as_far_as_it_is(signed_in, make_export):
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


def test_before_the_rows_are_counted_the_bar_has_no_value(signed_in, make_export):
    make_export(status=Status.RUNNING, stage="counting", attempt=1)

    response = signed_in.get(DASHBOARD)

    assert "Counting the rows." in text_of(response)
    assert '<progress aria-label="Progress">' in response.content.decode()


def test_the_snapshot_in_the_page_is_the_one_that_it_shows(signed_in, make_export):
    export = make_export(rows_done=7, label='</li> & "')

    content = signed_in.get(DASHBOARD).content.decode()

    found = re.search(r'data-snapshot="([^"]*)"', content)
    snapshot = json.loads(unescape(found[1]))
    assert (snapshot["id"], snapshot["label"]) == (str(export.pk), '</li> & "')


@pytest.mark.parametrize("query", ["", "?sheet"])
def test_a_fragment_is_as_new_as_the_frame_that_it_is_fetched_for(signed_in, make_export, query):
    export = make_export()
    lifecycle.pause(export)

    content = signed_in.get(page("card", export) + query).content.decode()

    shown = json.loads(unescape(re.search(r'data-snapshot="([^"]*)"', content)[1]))
    told = exporting.retained(export.owner_stream, export.key)
    assert shown["version"] == told["version"] == 2
    assert 'data-status="paused"' in content


@pytest.mark.parametrize(
    ("ahead", "words"),
    [(0, "This one is next."), (1, "One export is ahead."), (2, "Two exports are ahead.")],
)
def test_a_waiting_export_says_how_many_are_ahead(signed_in, make_export, ahead, words):
    for _ in range(ahead):
        make_export()

    response = signed_in.get(page("detail", make_export()))

    assert f"Waiting for a worker. {words}" in text_of(response)


@pytest.mark.parametrize(
    ("status", "sentence", "buttons"),
    [
        ("queued", "Waiting for a worker. This one is next.", {"Pause", "Cancel"}),
        ("running", "Writing the rows.", {"Pause", "Cancel"}),
        ("pausing", "Pausing. The worker stops", {"Cancel"}),
        ("paused", "Paused. Finished parts are kept", {"Resume", "Cancel"}),
        ("cancelling", "Cancelling. The worker stops", set()),
        ("cancelled", "Cancelled. There is no file.", {"Retry"}),
        ("succeeded", "File expired.", {"Run again"}),
        ("failed", "Failed. The disk is full.", {"Retry"}),
    ],
)
def test_each_status_has_its_sentence_and_its_buttons(
    signed_in, make_export, status, sentence, buttons
):
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


def test_an_error_that_nobody_foresaw_is_told_in_plain_words_and_details_are_folded(
    signed_in, make_export
):
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
    assert "The program met an error that it does not know." in before
    assert "KeyError" not in re.sub(r"<li [^>]*>", "", before)
    assert "<code>KeyError: &lt;&#x27;faa&#x27;&gt;</code>" in details
    assert "<dd>worker@here</dd>" in details
    assert re.findall(r"line (\d)", details) == ["3", "4", "5", "6", "7"]
    assert f'href="{export.get_absolute_url()}#log"' in details


def test_what_ended_without_a_file_says_how_far_it_came(signed_in, make_export):
    # Its unfinished part was dropped: 900 had been read.
    fields = {"rows_total": 1458, "rows_done": 500, "rows_most": 900}
    export = make_export(status=Status.CANCELLED, finished_at=timezone.now(), **fields)

    assert "stopped at 900 of 1,458 rows (61%)" in text_of(signed_in.get(page("card", export)))


def test_a_bar_that_went_back_says_why(signed_in, make_export):
    fields = {"rows_total": 1458, "rows_done": 500, "rows_most": 900}
    export = make_export(status=Status.RUNNING, stage="extracting", **fields)

    text = text_of(signed_in.get(page("card", export)))

    assert "500 of 1,458 rows (34%)" in text
    assert "400 rows are read again, as their part was not finished" in text


def test_a_worker_that_is_not_heard_of_is_said_to_be_silent(signed_in, make_export, settings):
    settings.EXPORTS_LEASE_SECONDS = 30
    running = {"status": Status.RUNNING, "stage": "extracting", "rate": 90.0, "rows_total": 1458}
    silent = timezone.now() + timedelta(seconds=9.5)  # Its lease was renewed 20 seconds ago.
    alive = timezone.now() + timedelta(seconds=29)

    first = text_of(signed_in.get(page("card", make_export(**running, lease_expires_at=silent))))
    second = text_of(signed_in.get(page("card", make_export(**running, lease_expires_at=alive))))

    # Some seconds of the test's own may have passed.
    sentence = (
        r"No news for 2\d sec. If its worker was lost, another takes over after 40 sec at most."
    )
    assert re.search(sentence, first)
    assert "rows/s" not in first
    assert "No news" not in second
    assert "90 rows/s" in second


def test_while_the_file_is_put_together_the_bar_goes_on(signed_in, make_export):
    rows = {"rows_total": 1458, "rows_done": 1458, "rate": 100.0}
    export = make_export(status=Status.RUNNING, stage="assembling", assembled=0.25, **rows)

    response = signed_in.get(page("card", export))

    assert 'max="1" value="0.25"' in response.content.decode()
    assert "25% of the file 100 rows/s about 11 sec left" in text_of(response)


def test_a_lost_worker_is_told_of_and_a_planned_hand_over_is_not(signed_in, make_export):
    lost = make_export(status=Status.RUNNING, attempt=2, handovers=0)
    handed_over = make_export(status=Status.RUNNING, attempt=2, handovers=1)

    assert "a worker was lost" in text_of(signed_in.get(page("card", lost)))
    assert "a worker was lost" not in text_of(signed_in.get(page("card", handed_over)))


def test_the_history_has_pages_of_25_and_the_newest_first(signed_in, make_export):
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


def test_the_script_adds_to_the_first_page_of_the_history_only(signed_in, make_export):
    for _ in range(26):
        make_export(status=Status.CANCELLED, finished_at=timezone.now())

    first, second = signed_in.get(DASHBOARD), signed_in.get(f"{DASHBOARD}?page=2")

    assert 'data-list="history"' in first.content.decode()
    assert 'data-list="history"' not in second.content.decode()


def test_a_finished_export_tells_all_about_its_file(signed_in, finished):
    text = text_of(signed_in.get(page("detail", finished)))

    assert "50,000 rows" in text
    assert finished.sha256 in text
    assert "The file is kept until" in text


@pytest.mark.parametrize(
    ("consistency", "sentence"),
    [
        ("row", "As they were between 10:00:01 and 10:00:09"),
        ("snapshot", "As they all were at 10:00:01"),
    ],
)
def test_a_finished_export_says_of_when_its_rows_are(signed_in, make_export, consistency, sentence):
    first, last = (datetime(2013, 1, 1, 10, 0, second, tzinfo=UTC) for second in (1, 9))
    fields = {"consistency": consistency, "read_from": first, "read_until": last}
    done = make_export(status=Status.SUCCEEDED, finished_at=last, **fields)
    running = make_export(status=Status.RUNNING, **fields)

    assert sentence in text_of(signed_in.get(page("detail", done)))
    assert " were " not in text_of(signed_in.get(page("detail", running)))


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (1, "1 cell that looks like a formula was made harmless"),
        (1200, "1,200 cells that look like formulas were made harmless"),
    ],
)
def test_a_finished_export_says_how_many_cells_were_made_harmless(
    signed_in, make_export, cells, sentence
):
    export = make_export(status=Status.SUCCEEDED, finished_at=timezone.now(), protected_cells=cells)

    assert sentence in text_of(signed_in.get(page("detail", export)))


def test_without_such_cells_nothing_is_said_of_them(signed_in, finished):
    assert "harmless" not in text_of(signed_in.get(page("detail", finished)))


def test_pages_may_be_kept_by_nobody_but_the_browser(signed_in, make_export):
    for url in (DASHBOARD, page("detail", make_export())):
        assert signed_in.get(url)["Cache-Control"] == "private, no-cache"


def test_nothing_in_a_page_is_inline(signed_in, make_export):
    """The content security policy would refuse it."""
    for url in (DASHBOARD, page("detail", make_export()), reverse("login")):
        content = signed_in.get(url).content.decode()

        assert not re.search(r"<style|<script(?![^>]*src=)|\son\w+=|\sstyle=", content)


# -- Buttons ----------------------------------------------------------------------------


def test_cancelling_leads_back_to_the_card(signed_in, make_export):
    export = make_export()

    response = signed_in.post(page("cancel", export))

    export.refresh_from_db()
    assert export.status == Status.CANCELLED
    assert (response.status_code, response["Location"]) == (303, f"{DASHBOARD}#{export.key}")


def test_a_button_leads_back_to_the_page_that_it_was_on(signed_in, make_export):
    export = make_export()

    response = signed_in.post(page("pause", export), {"next": export.get_absolute_url()})

    assert response["Location"] == export.get_absolute_url()


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "javascript:x"])
def test_a_button_never_leads_to_another_site(signed_in, make_export, elsewhere):
    response = signed_in.post(page("cancel", make_export()), {"next": elsewhere})

    assert response["Location"].startswith(DASHBOARD)


def test_paused_and_resumed_it_waits_again(signed_in, make_export):
    export = make_export()
    signed_in.post(page("pause", export))
    export.refresh_from_db()
    assert export.status == Status.PAUSED

    signed_in.post(page("resume", export))

    export.refresh_from_db()
    assert export.status == Status.QUEUED


def test_what_cannot_be_done_any_more_is_refused_in_words(signed_in, make_export):
    export = make_export(status=Status.FAILED, finished_at=timezone.now())

    response = signed_in.post(page("cancel", export), follow=True)

    assert "This export is failed. It cannot be cancelled any more." in text_of(response)
    export.refresh_from_db()
    assert export.status == Status.FAILED


@pytest.mark.parametrize(
    ("status", "button"), [("failed", "retry"), ("cancelled", "retry"), ("succeeded", "again")]
)
def test_what_is_over_is_asked_again_from_its_card_and_from_its_page(
    signed_in, make_export, status, button
):
    origin = make_export(status=status, finished_at=timezone.now())

    from_card = signed_in.post(page(button, origin))
    from_page = signed_in.post(page(button, origin), {"next": origin.get_absolute_url()})

    new = Export.objects.exclude(pk=origin.pk).get()
    assert (from_card.status_code, from_card["Location"]) == (303, f"{DASHBOARD}#{new.key}")
    assert (from_page.status_code, from_page["Location"]) == (303, new.get_absolute_url())
    shown = signed_in.get(new.get_absolute_url())
    assert f'Repeats</dt><dd><a href="{origin.get_absolute_url()}">' in shown.content.decode()
    assert "This export is already under way." in text_of(shown)


def test_what_repeats_nothing_does_not_say_so(signed_in, make_export):
    assert "Repeats" not in text_of(signed_in.get(page("detail", make_export())))


def test_a_retry_that_is_refused_leads_back_and_says_why(signed_in, make_export, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1
    origin = make_export(status=Status.FAILED, finished_at=timezone.now())

    response = signed_in.post(page("retry", origin), follow=True)

    assert response.redirect_chain == [(f"{DASHBOARD}#{origin.key}", 303)]
    assert "You have asked for 1 of at most 1 exports in a minute." in text_of(response)
    assert Export.objects.count() == 1


def test_who_may_not_export_it_any_more_cannot_retry_it(signed_in, user, make_export):
    origin = make_export(status=Status.FAILED, finished_at=timezone.now())
    user.user_permissions.clear()

    response = signed_in.post(page("retry", origin))

    assert response.status_code == 403
    assert 'You may not export "Airports".' in text_of(response)


def test_a_get_does_nothing_and_leads_to_the_export(signed_in, make_export):
    export = make_export()

    response = signed_in.get(page("cancel", export))

    assert (response.status_code, response["Location"]) == (303, export.get_absolute_url())
    export.refresh_from_db()
    assert export.status == Status.QUEUED


def test_a_button_of_another_site_does_nothing(make_export, user):
    export = make_export()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)

    assert strict.post(page("cancel", export)).status_code == 403
    export.refresh_from_db()
    assert export.status == Status.QUEUED


# -- Download ---------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
async def test_the_file_comes_whole_in_blocks_with_its_name_and_checksum(finished, user):
    client = AsyncClient()
    await client.aforce_login(user)

    response = await client.get(page("file", finished))
    blocks = [block async for block in response.streaming_content]

    assert response.status_code == 200
    assert hashlib.sha256(b"".join(blocks)).hexdigest() == finished.sha256
    assert max(map(len, blocks)) <= download.BLOCK_BYTES < finished.bytes
    assert response["Content-Length"] == str(finished.bytes)
    assert response["ETag"] == f'"{finished.sha256}"'
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert (
        response["Content-Disposition"]
        == "attachment; filename=\"Fluge _2013_.csv\"; filename*=UTF-8''Fl%C3%BCge%20_2013_.csv"
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("read", [0, 1], ids=["before the first block", "after it"])
async def test_a_download_that_is_broken_off_closes_the_file(finished, user, monkeypatch, read):
    opened = []
    real_open = default_storage.open
    monkeypatch.setattr(
        "django.core.files.storage.default_storage.open",
        lambda *given: opened.append(real_open(*given)) or opened[-1],
    )
    client = AsyncClient()
    await client.aforce_login(user)
    response = await client.get(page("file", finished))

    stream = aiter(response)
    for _ in range(read):
        await anext(stream)
    response.close()

    assert [file.closed for file in opened] == [True]


def test_a_browser_that_has_the_file_is_not_sent_it_again(signed_in, finished):
    etag = f'"{finished.sha256}"'

    response = signed_in.get(page("file", finished), headers={"If-None-Match": etag})

    assert (response.status_code, response["ETag"], response.content) == (304, etag, b"")


def test_permission_is_asked_again_at_the_download(signed_in, user, finished):
    user.user_permissions.clear()

    response = signed_in.get(page("file", finished))

    assert response.status_code == 403
    assert "You may not export" in text_of(response)


def test_a_file_of_an_exporter_that_is_gone_is_not_there(signed_in, finished):
    Export.objects.update(exporter="removed")

    assert signed_in.get(page("file", finished)).status_code == 404


def test_an_expired_file_is_gone_and_says_so(signed_in, finished):
    Export.objects.update(expires_at=timezone.now())

    response = signed_in.get(page("file", finished))

    assert response.status_code == 410
    assert "This file has expired" in text_of(response)


def test_a_file_that_was_deleted_from_storage_is_gone_and_says_so(signed_in, finished):
    default_storage.delete(finished.file)

    response = signed_in.get(page("file", finished))

    assert response.status_code == 410
    assert "not in the storage any more" in text_of(response)


def test_an_export_that_is_not_finished_has_no_file_yet(signed_in, make_export):
    response = signed_in.get(page("file", make_export()))

    assert response.status_code == 404
    assert "This export has no file. It is queued." in text_of(response)


# -- Who may look, and who may stop it --------------------------------------------------


def test_who_may_only_look_gets_no_buttons_and_cannot_press_them(client, make_user, make_export):
    export = make_export()
    client.force_login(make_user("auditor", "view_export"))

    page = client.get(export.get_absolute_url()).content.decode()
    pressed = client.post(reverse("exports:cancel", args=[export.pk]))
    called = client.post(f"/api/v1/exports/{export.pk}/cancel")

    export.refresh_from_db()
    assert reverse("exports:cancel", args=[export.pk]) not in page
    assert (pressed.status_code, called.status_code, export.status) == (403, 403, Status.QUEUED)


def test_who_may_change_exports_stops_those_of_others(client, make_user, make_export):
    export = make_export()
    client.force_login(make_user("operator", "view_export", "change_export"))

    client.post(reverse("exports:cancel", args=[export.pk]))

    export.refresh_from_db()
    assert export.status == Status.CANCELLED
