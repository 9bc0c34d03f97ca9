"""Pages in the reader's language; what is stored, in none of theirs."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from django.utils import translation

from exports import lifecycle
from exports.exceptions import InvalidFilter, LostRace
from exports.lifecycle import transitions
from exports.models import Export
from exports.status import Status
from notifications.models import Event
from tests.support.exporting import (
    content,
    force_status,
    log,
    make_flights,
    run,
    start,
    use_folders,
)
from tests.support.languages import DASHBOARD, GERMAN, html
from tests.support.starting import start_export, start_or_find

pytestmark = pytest.mark.django_db


def test_page_is_in_the_language_of_the_browser(signed_in, make_export):
    make_export(status=Status.RUNNING, rows_done=1500, rows_total=336_776, rate=1000.0)

    german = html(signed_in.get(DASHBOARD, headers=GERMAN))
    english = html(signed_in.get(DASHBOARD, headers={"Accept-Language": "fr"}))

    assert '<html lang="de" dir="ltr">' in german
    assert "1.500 von 336.776 Zeilen (0\N{NO-BREAK SPACE}%)" in german
    assert "noch etwa 5\N{NO-BREAK SPACE}Min. 36\N{NO-BREAK SPACE}Sek." in german
    assert 'value="en" lang="en">English</button>' in german
    assert '<html lang="en" dir="ltr">' in english
    assert "1,500 of 336,776 rows (0%)" in english


def test_chosen_language_is_kept_and_returns_to_the_page(signed_in):
    chosen = signed_in.post(
        reverse("set_language"), {"language": "de", "next": "/inbox/"}, headers={"Referer": "/"}
    )

    assert chosen.status_code == 302
    assert chosen["Location"] == "/inbox/"
    assert '<html lang="de"' in html(signed_in.get("/inbox/"))


def test_sign_in_page_offers_languages_and_returns_to_itself(client):
    page = html(client.get("/login/?next=/inbox/"))

    assert '<input type="hidden" name="next" value="/login/?next=/inbox/">' in page
    assert 'value="de" lang="de">Deutsch</button>' in page
    assert re.search(r'aria-current="true"\s+value="en" lang="en">English</button>', page)


def test_language_form_on_a_post_response_leads_to_a_get_page(signed_in):
    page = html(signed_in.post(reverse("exports:create"), {"exporter": "nothing"}))

    assert f'<input type="hidden" name="next" value="{DASHBOARD}">' in page


def test_right_to_left_language_turns_the_page(signed_in, settings):
    settings.LANGUAGES = [("en", "English"), ("ar", "العربية")]

    page = html(signed_in.get(DASHBOARD, headers={"Accept-Language": "ar"}))

    assert '<html lang="ar" dir="rtl">' in page


def test_refusal_on_a_page_is_in_the_readers_language(signed_in, make_export):
    export = make_export(status=Status.SUCCEEDED)

    pressed = signed_in.post(
        reverse("exports:pause", args=[export.pk]), headers=GERMAN, follow=True
    )

    assert "Status dieses Exports: fertig. Er kann nicht mehr pausiert werden." in html(pressed)


def test_api_answers_in_english_by_default(signed_in, make_export):
    url = reverse("api:get_export", args=[make_export(status=Status.FAILED).pk]) + "/pause"

    english = signed_in.post(url)
    german = signed_in.post(url, headers=GERMAN)

    assert english.json()["detail"] == ("This export is failed. It can no longer be paused.")
    assert german.json()["detail"].endswith("Er kann nicht mehr pausiert werden.")
    assert german["Content-Language"] == "de"


def test_filter_values_mean_the_same_in_every_language(user):
    asked = {"user": user, "exporter": "flights", "filters": {"date_after": "2013-02-01"}}

    with translation.override("de"):
        export = start_export(**asked)
        with pytest.raises(InvalidFilter) as refused:
            start_export(**{**asked, "filters": {"date_after": "01.02.2013"}})
        german = refused.value.localized()

    # A worker would not know the day.
    assert german == "Der Filter „date“ ist ungültig: Bitte ein gültiges Datum eingeben."
    assert str(refused.value) == 'The filter "date" is not valid: Enter a valid date.'
    assert export.status == Status.QUEUED


def test_stored_log_does_not_depend_on_the_users_language(make_export):
    export = make_export(status=Status.QUEUED)

    with translation.override("de"):
        lifecycle.cancel(export)

    lines = Event.objects.filter(stream__name=export.stream, type="log")
    assert [line.data["message"] for line in lines] == ["Cancelled."]


def test_logged_error_does_not_depend_on_the_active_language(make_export):
    stale = make_export(status=Status.QUEUED)
    lifecycle.cancel(Export.objects.get())

    with translation.override("de"), pytest.raises(LostRace, match="is not queued any more"):
        transitions.move(stale, Status.RUNNING)


@pytest.mark.parametrize(
    "question",
    [{}, {"changelist": {"model": "demo.flight", "query": ""}, "default_label": "all of them"}],
    ids=["of an exporter", "of a list"],
)
def test_identical_requests_in_two_languages_are_one_export(user, question):
    with translation.override("de"):
        words = {"default_label": "alle"} if "default_label" in question else {}
        first, _ = start_or_find(user=user, exporter="flights", **{**question, **words})

    second = start_or_find(user=user, exporter="flights", **question)

    assert first.label == (words.get("default_label") or "Flüge")
    assert second == (first, False)


def test_repeated_export_keeps_its_label_in_other_languages(user):
    with translation.override("de"):
        first, _ = start_or_find(user=user, exporter="flights")
    force_status(first, Status.FAILED)

    repeated, _ = lifecycle.retry(first)

    assert repeated.label == "Flüge"
    assert start_or_find(user=user, exporter="flights") == (repeated, False)


@pytest.mark.django_db(transaction=True)  # On PostgreSQL rows are read over another connection.
@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_file_and_log_do_not_depend_on_the_users_language(user, settings, tmp_path, file_format):
    use_folders(settings, tmp_path)
    make_flights(range(1, 4))
    made = []

    for language in ("en", "de"):
        with translation.override(language):
            made.append(run(start(user, exporter="flights", columns=None, format=file_format)))

    english, german = made
    assert b"dep_delay" in content(german)
    assert content(german) == content(english)
    # But for its first and last line, which name the export and how long it took.
    assert log(german)[1:-1] == log(english)[1:-1] != []
