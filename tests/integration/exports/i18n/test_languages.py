"""Pages and the API in the reader's language; what is stored, in none of theirs."""

from __future__ import annotations

from html import unescape
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from django.utils import translation
from django.utils.functional import lazy
from pydantic_core import PydanticKnownError

from demo.models import Airline
from exports import lifecycle
from exports.exceptions import InvalidFilter, LostRace
from exports.files.names import filename_of
from exports.i18n import localize
from exports.i18n.message import Sentence
from exports.lifecycle import attempts, parts, rescue, transitions
from exports.models import Export
from exports.status import Status
from notifications.api import problems
from notifications.models import Event
from tests.support.exporting import content, log, lose, make_flights, put, run, start, use_folders

pytestmark = pytest.mark.django_db

DASHBOARD = reverse("exports:dashboard")
GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}


@pytest.fixture
def user():
    return User.objects.create_superuser("ada", password="a password of the tests")


@pytest.fixture
def make_export(user):
    def make(**fields):
        asked = {"owner": user, "exporter": "flights", "label": "Flights", "format": "csv"}
        fingerprint = str(Export.objects.count())
        return Export.objects.create(**{**asked, **fields}, fingerprint=fingerprint)

    return make


def html(response):
    return response.content.decode()


def test_a_page_is_in_the_language_that_the_browser_asks_for(signed_in, make_export):
    make_export(status=Status.RUNNING, rows_done=1500, rows_total=336_776, rate=1000.0)

    german = html(signed_in.get(DASHBOARD, headers=GERMAN))
    english = html(signed_in.get(DASHBOARD, headers={"Accept-Language": "fr"}))

    assert '<html lang="de" dir="ltr">' in german
    assert "1.500 von 336.776 Zeilen (0\N{NO-BREAK SPACE}%)" in german
    assert "noch etwa 5\N{NO-BREAK SPACE}Min. 36\N{NO-BREAK SPACE}Sek." in german
    assert 'value="en" lang="en">English</button>' in german
    assert '<html lang="en" dir="ltr">' in english
    assert "1,500 of 336,776 rows (0%)" in english


def test_who_chooses_a_language_keeps_it_and_comes_back_to_where_they_were(signed_in):
    chosen = signed_in.post(
        reverse("set_language"), {"language": "de", "next": "/inbox/"}, headers={"Referer": "/"}
    )

    assert chosen.status_code == 302
    assert chosen["Location"] == "/inbox/"
    assert '<html lang="de"' in html(signed_in.get("/inbox/"))


def test_the_choice_is_offered_to_who_is_signed_out_and_leads_back_to_the_page(client):
    page = html(client.get("/login/?next=/inbox/"))

    assert '<input type="hidden" name="next" value="/login/?next=/inbox/">' in page
    assert 'value="de" lang="de">Deutsch</button>' in page
    assert 'value="en" lang="en" aria-current="true">English</button>' in page


def test_the_choice_on_an_answer_to_a_form_leads_to_a_page_that_can_be_asked_for(signed_in):
    page = html(signed_in.post(reverse("exports:create"), {"exporter": "nothing"}))

    assert f'<input type="hidden" name="next" value="{DASHBOARD}">' in page


def test_a_language_that_is_written_from_the_right_turns_the_page(signed_in, settings):
    settings.LANGUAGES = [("en", "English"), ("ar", "العربية")]

    page = html(signed_in.get(DASHBOARD, headers={"Accept-Language": "ar"}))

    assert '<html lang="ar" dir="rtl">' in page


def test_a_refusal_on_a_page_is_in_its_language(signed_in, make_export):
    export = make_export(status=Status.SUCCEEDED)

    pressed = signed_in.post(
        reverse("exports:pause", args=[export.pk]), headers=GERMAN, follow=True
    )

    assert "Status dieses Exports: fertig. Er kann nicht mehr angehalten werden." in html(pressed)


def test_the_api_speaks_english_unless_it_is_asked_for_another_language(signed_in, make_export):
    url = reverse("api:get_export", args=[make_export(status=Status.FAILED).pk]) + "/pause"

    english = signed_in.post(url)
    german = signed_in.post(url, headers=GERMAN)

    assert english.json()["detail"] == ("This export is failed. It cannot be paused any more.")
    assert german.json()["detail"].endswith("Er kann nicht mehr angehalten werden.")
    assert german["Content-Language"] == "de"


def test_a_filter_means_the_same_in_every_language(user):
    asked = {"user": user, "exporter": "flights", "filters": {"date_after": "2013-02-01"}}

    with translation.override("de"):
        export = lifecycle.request(**asked)
        with pytest.raises(InvalidFilter) as refused:
            lifecycle.request(**{**asked, "filters": {"date_after": "01.02.2013"}})

    # A worker would not know the day.
    assert str(refused.value) == (
        "Der Filter „date“ ist ungültig: Bitte ein gültiges Datum eingeben."
    )
    assert export.status == Status.QUEUED


def test_what_is_stored_is_the_same_whoever_asked(make_export):
    export = make_export(status=Status.QUEUED)

    with translation.override("de"):
        lifecycle.cancel(export)

    lines = Event.objects.filter(stream__name=export.stream, type="log")
    assert [line.data["message"] for line in lines] == ["Cancelled."]


def test_what_a_worker_logs_of_a_lost_race_is_in_one_language(make_export):
    stale = make_export(status=Status.QUEUED)
    lifecycle.cancel(Export.objects.get())

    with translation.override("de"), pytest.raises(LostRace, match="is not queued any more"):
        transitions.move(stale, Status.RUNNING, "export.started")


@pytest.mark.parametrize(
    "question",
    [{}, {"changelist": {"model": "demo.flight", "query": ""}, "otherwise": "all of them"}],
    ids=["of an exporter", "of a list"],
)
def test_a_question_in_two_languages_is_one(user, question):
    with translation.override("de"):
        words = {"otherwise": "alle"} if "otherwise" in question else {}
        first, _ = lifecycle.request_once(user=user, exporter="flights", **{**question, **words})

    second = lifecycle.request_once(user=user, exporter="flights", **question)

    assert first.label == (words.get("otherwise") or "Flüge")
    assert second == (first, False)


def test_what_is_repeated_in_another_language_is_the_same_question_and_keeps_its_name(user):
    with translation.override("de"):
        first, _ = lifecycle.request_once(user=user, exporter="flights")
    put(first, Status.FAILED)

    repeated, _ = lifecycle.retry(first)

    assert repeated.label == "Flüge"
    assert lifecycle.request_once(user=user, exporter="flights") == (repeated, False)


@pytest.mark.django_db(transaction=True)  # On PostgreSQL rows are read over another connection.
@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_a_file_and_its_log_are_the_same_whoever_asked(user, settings, tmp_path, file_format):
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


# -- Why an export failed, and what it is called ------------------------------------------------

ENGLISH = {"Accept-Language": "en"}


def places(export):
    """The pages on which a person reads of it."""
    return {
        "card": DASHBOARD,
        "page": export.get_absolute_url(),
        "admin": reverse("admin:exports_export_change", args=[export.pk]),
        "admin's list": reverse("admin:exports_export_changelist"),
        "inbox": reverse("notifications:inbox"),
        "toast": reverse("notifications:latest"),
    }


def found(client, export, text, headers):
    """On which of these a reader with such a browser finds it."""
    pages = {name: client.get(url, headers=headers) for name, url in places(export).items()}
    return {name for name, page in pages.items() if text in unescape(html(page))}


def said(export):
    """Why it failed, to readers of English and of German."""
    texts = []
    for language in ("en", "de"):
        with translation.override(language):
            texts.append(localize.said(export.error, export.reason))
    return texts


@pytest.mark.django_db(transaction=True)  # On PostgreSQL rows are read over another connection.
def test_each_reads_why_an_export_failed_in_their_own_language(signed_in, user, settings):
    settings.EXPORTS_MAX_ROWS = 2
    make_flights(range(1, 4))
    english = "It would have 3 rows, and may have 2 at most."
    german = "Er hätte 3 Zeilen und darf höchstens 2 haben."

    with translation.override("de"):  # A worker's language is nobody's.
        export = run(start(user))

    everywhere = {*places(export)} - {"admin's list"}
    assert export.error.startswith(english)
    assert found(signed_in, export, english, ENGLISH) == everywhere
    assert found(signed_in, export, german, GERMAN) == everywhere
    # The log has it in English, behind what raised it.
    assert found(signed_in, export, f">{english}", GERMAN) == set()


@pytest.mark.django_db(transaction=True)
def test_programs_and_streams_are_told_the_reason_in_english(signed_in, user, settings):
    settings.EXPORTS_MAX_ROWS = 2
    make_flights(range(1, 4))

    export = run(start(user))

    api = signed_in.get(reverse("api:get_export", args=[export.pk]), headers=GERMAN).json()
    [event] = Event.objects.filter(stream__name=export.stream, type="export.failed")
    assert api["error"] == event.data["error"] == export.error
    assert "reason" not in api
    inbox = signed_in.get(reverse("api:get_inbox"), headers=GERMAN).json()
    assert inbox["items"][0]["body"].startswith("Er hätte 3 Zeilen")


def test_what_nobody_foresaw_stays_as_it_is_in_a_sentence_that_is_translated(
    signed_in, make_export
):
    export = put(make_export(), Status.RUNNING, attempt=1)

    attempts.fail(export, "ValueError: no such plane")

    page = html(signed_in.get(export.get_absolute_url(), headers=GERMAN))
    assert "Das Programm stieß auf einen Fehler, den es nicht kennt." in page
    assert "<code>ValueError: no such plane</code>" in page


def test_a_permission_that_is_gone_is_named_as_its_reader_calls_it(user):
    owner = User.objects.create_user("bob")
    owner.user_permissions.add(Permission.objects.get(codename="export_flight"))
    export = start(owner)
    owner.user_permissions.clear()

    with translation.override("de"):
        run(Export.objects.get(pk=export.pk))

    export.refresh_from_db()
    english, german = said(export)
    assert english == export.error
    assert english.startswith('You may not export "Flights".')
    assert german.startswith("Sie dürfen „Flüge“ nicht exportieren.")


def test_a_choice_that_is_gone_is_refused_in_djangos_own_words(user):
    make_flights([1])
    export = start(user, filters={"carrier": "UA"})
    Export.objects.filter(pk=export.pk).update(
        params={**export.params, "filters": {"carrier": "XX"}}
    )
    export.refresh_from_db()

    run(export)

    english, german = said(export)
    assert english == export.error
    assert english.startswith('The filter "carrier" is not valid: Select a valid choice.')
    assert german.startswith("Der Filter „carrier“ ist ungültig: Bitte eine gültige Auswahl")


def test_workers_that_were_lost_are_counted_in_the_readers_language(user, settings):
    settings.EXPORTS_MAX_ATTEMPTS = 1
    export = lose(start(user))

    with translation.override("de"):
        rescue.rescue()

    export.refresh_from_db()
    assert said(export) == [
        "The worker worker-1@tests was lost on this export.",
        "Bei diesem Export ist der Worker worker-1@tests verloren gegangen.",
    ]


def test_what_the_last_worker_could_say_is_translated_when_it_is_lost(user, settings):
    settings.EXPORTS_MAX_ATTEMPTS = 1
    export = start(user)
    gone = Sentence("The moment that was read is gone: %(problem)s", problem="?")
    parts.tick(export, **localize.written(gone))

    lose(export)
    rescue.rescue()

    export.refresh_from_db()
    assert said(export) == [
        "The moment that was read is gone: ?",
        "Den Augenblick, der gelesen wurde, gibt es nicht mehr: ?",
    ]


def test_a_new_attempt_has_not_failed_for_the_old_reason(user):
    export = start(user)
    parts.tick(export, **localize.written(Sentence("%(n)s", n=1)))
    attempts.hand_over(export)

    again = attempts.claim(export.pk, worker="another")

    assert (again.error, again.reason) == ("", None)


@pytest.mark.parametrize("reason", [None, {"text": "%(rows)d rows", "values": {"rows": "x"}}])
def test_a_reason_that_cannot_be_translated_is_said_to_be_english(signed_in, make_export, reason):
    # Of a version before reasons were kept, or of one that kept others.
    export = make_export(status=Status.FAILED, error="It would have 3 rows.", reason=reason)

    page = html(signed_in.get(export.get_absolute_url(), headers=GERMAN))

    assert '<bdi lang="en">It would have 3 rows.</bdi>' in page


def test_a_name_that_nobody_gave_is_in_the_readers_language(signed_in, user):
    with translation.override("de"):
        export = lifecycle.request(user=user, exporter="flights")
    attempts.fail(attempts.claim(export.pk, worker="somebody"), "It could not be.")

    assert found(signed_in, export, "Flüge", GERMAN) == {*places(export)}
    assert found(signed_in, export, "Flights", ENGLISH) == {*places(export)}
    assert found(signed_in, export, "Flüge", ENGLISH) == set()


def test_a_file_is_called_as_its_reader_calls_the_export(make_export):
    export = make_export(labels={"en": "Flights", "de": "Flüge"})

    with translation.override("de"):
        assert filename_of(export) == "Flüge.csv"


def test_a_name_that_somebody_gave_is_the_same_for_everybody(signed_in, user):
    named = lifecycle.request(user=user, exporter="flights", label="For Bob")

    assert named.labels is None
    for headers in (ENGLISH, GERMAN):
        assert "For Bob" in found_title(signed_in, named, headers)


def found_title(client, export, headers):
    page = html(client.get(export.get_absolute_url(), headers=headers))
    return page[page.index("<title>") : page.index("</title>")]


@pytest.mark.parametrize(
    ("reader", "title"),
    [("en-us", "Flights"), ("de-at", "Flüge"), ("fr", "asked for"), (None, "asked for")],
)
def test_a_reader_of_a_variant_of_a_language_has_its_words(make_export, settings, reader, title):
    settings.LANGUAGE_CODE = "en-us"  # As startproject makes it: none that the site offers.
    export = make_export(label="asked for", labels={"en": "Flights", "de": "Flüge"})

    with translation.override(reader):
        assert export.title == title


def test_the_admin_finds_and_sorts_exports_as_their_reader_calls_them(signed_in, make_export):
    words = [("Flights", "Linien"), ("Airports", "Flughäfen"), ("Planes", "Maschinen")]
    flights, airports, planes = (
        make_export(label=english, labels={"en": english, "de": german})
        for english, german in words
    )
    named = make_export(label="Late ones")

    def found(query, headers):
        response = signed_in.get(
            reverse("admin:exports_export_changelist") + query, headers=headers
        )
        return list(response.context["cl"].result_list)

    assert found("?q=flugh", GERMAN) == found("?q=airports", ENGLISH) == [airports]
    assert found("?q=Airports", GERMAN) == [airports]  # As logs and programs call it.
    assert found("?q=flugh", ENGLISH) == []
    assert found("?q=late", GERMAN) == [named]
    assert found("?o=1", GERMAN) == [airports, named, flights, planes]
    assert found("?o=1", ENGLISH) == [airports, flights, named, planes]


def test_a_list_of_the_admin_is_called_by_each_in_their_words(signed_in):
    make_flights([1])
    Airline.objects.create(carrier="B6", name="JetBlue Airways")
    url = "/admin/demo/flight/export/?carrier__carrier__exact=UA&q=N1"

    signed_in.post(url, {"format": "csv"}, headers=GERMAN)

    export = Export.objects.get()
    assert export.label == "Flüge: Fluggesellschaft ist United Air Lines Inc.; Suche „N1“"
    english = "Flights: carrier is United Air Lines Inc.; search “N1”"
    assert english in found_title(signed_in, export, ENGLISH)
    assert export.label in found_title(signed_in, export, GERMAN)


def test_what_is_repeated_is_called_as_what_it_repeats(user):
    with translation.override("de"):
        asked = lazy(lambda: translation.gettext("all of them"), str)()
        selection = {"model": "demo.flight", "query": ""}
        first = lifecycle.request(
            user=user, exporter="flights", changelist=selection, otherwise=asked
        )
    put(first, Status.FAILED)

    repeated, _ = lifecycle.retry(first)

    assert repeated.labels == first.labels == {"en": "all of them", "de": "alle"}


# -- What the API refuses -----------------------------------------------------------------------

# A request that is wrong in one way, and what of its answer is in the language of who asks.
REFUSED = {
    "nothing": ("get", "/api/v1/nothing", None, "Hier ist nichts."),
    "method": ("put", "/api/v1/exports", {}, "Verwenden Sie hier GET oder POST."),
    "export": (
        *("get", f"/api/v1/exports/{UUID(int=0)}", None),
        f"Es gibt keinen Export {UUID(int=0)}.",
    ),
    "stream": (
        *("get", "/api/v1/streams/nobodys", None),
        "Für Sie gibt es keinen Strom dieses Namens.",
    ),
    "cursor": ("get", "/api/v1/streams/x?after=y", None, "„y“ ist kein Cursor."),
    "cursor of events": ("get", "/api/v1/streams/x/sse?after=y", None, "„y“ ist kein Cursor."),
    "body": ("post", "/api/v1/exports", "{", "Die Anfrage ist kein gültiges JSON"),
    "exporter": ("post", "/api/v1/exports", {"exporter": "x"}, "Es gibt keinen Exporter „x“."),
    "missing": ("post", "/api/v1/exports", {}, "exporter: Dieses Feld fehlt"),
    "extra": (
        *("post", "/api/v1/exports", {"exporter": "x", "colour": 1}),
        "colour: Weitere Felder sind nicht erlaubt",
    ),
    "text": ("post", "/api/v1/exports", {"exporter": 1}, "exporter: Muss ein Text sein"),
    "too long": (
        *("post", "/api/v1/exports", {"exporter": "x", "label": 201 * "x"}),
        "label: Darf höchstens 200 Zeichen haben",
    ),
    "pattern": (
        *("post", "/api/v1/exports", {"exporter": "x", "label": "\0"}),
        "label: Muss dem Muster '",
    ),
    "list": (
        *("post", "/api/v1/exports", {"exporter": "x", "columns": 1}),
        "columns: Muss eine Liste sein",
    ),
    "object": (
        *("post", "/api/v1/exports", {"exporter": "x", "filters": 1}),
        "filters: Muss ein Objekt sein",
    ),
    "no object": ("post", "/api/v1/exports", [], "body: Muss ein Objekt mit Feldern sein"),
    "integer": (
        *("post", "/api/v1/exports", {"exporter": "x", "team": "1"}),
        "team: Muss eine ganze Zahl sein",
    ),
    "number in a text": (
        *("get", "/api/v1/exports?limit=x", None),
        "limit: Muss eine ganze Zahl sein; dieser Text ist keine",
    ),
    "digits": (
        *("get", f"/api/v1/exports?limit={5_000 * '1'}", None),
        "limit: Diese ganze Zahl hat zu viele Ziffern",
    ),
    "fraction": (
        *("post", "/api/v1/inbox/read", {"up_to": 1.5}),
        "up_to: Muss eine ganze Zahl sein; diese hat Nachkommastellen",
    ),
    "least": ("get", "/api/v1/exports?limit=0", None, "limit: Muss mindestens 1 sein"),
    "most": ("get", "/api/v1/exports?limit=101", None, "limit: Darf höchstens 100 sein"),
    "choice": (
        *("get", "/api/v1/exports?status=x", None),
        "status: Muss eines von diesen sein: 'queued', 'running', ",
    ),
    "enumeration": (
        *("patch", "/api/v1/inbox/preferences", {"email": "x"}),
        "email: Muss eines von diesen sein: 'all', 'failures', 'none'",
    ),
    "float": ("get", "/api/v1/streams/x?wait=x", None, "wait: Muss eine Zahl sein; dieser Text"),
}


def refused(client, name, **headers):
    method, url, body, _ = REFUSED[name]
    sent = {} if body is None else {"data": body, "content_type": "application/json"}
    return getattr(client, method)(url, headers=headers, **sent).json()["detail"]


@pytest.mark.django_db(transaction=True)  # Streams are read in threads of their own.
@pytest.mark.parametrize("name", REFUSED)
def test_the_api_refuses_in_the_language_that_it_is_asked_in(signed_in, name):
    english = refused(signed_in, name)

    german = refused(signed_in, name, **GERMAN)

    assert german.startswith(REFUSED[name][-1])
    assert german != english


def test_who_is_not_known_is_told_so_in_their_language(client):
    nobody = client.get("/api/v1/exports", headers=GERMAN)
    stranger = client.get("/api/v1/exports", headers={**GERMAN, "Authorization": "Bearer x"})

    assert nobody.json()["detail"] == "Melden Sie sich an, oder senden Sie ein Bearer-Token."
    assert stranger.json()["detail"] == "Das Bearer-Token ist ungültig."


def test_an_asynchronous_view_knows_the_language_too(client):
    nobody = client.get("/api/v1/streams/x", headers=GERMAN)

    assert nobody.json()["detail"] == "Melden Sie sich an, oder senden Sie ein Bearer-Token."


@pytest.mark.parametrize("kind", problems.PYDANTIC_MESSAGES)
def test_a_complaint_has_the_values_of_pydantics_own(kind):
    """In English that is shown: a new version of it may say it otherwise."""
    values = {"max_length": 200, "pattern": "x", "ge": 1, "le": 2, "expected": "'a' or 'b'"}
    named = {
        name: values[name] for name in values if f"%({name})s" in problems.PYDANTIC_MESSAGES[kind]
    }

    own = PydanticKnownError(kind, named or None).message()

    assert problems.PYDANTIC_MESSAGES[kind] % values == own
