"""Why an export failed and what it is called, in the language of each reader."""

from __future__ import annotations

from html import unescape

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from django.utils import translation
from django.utils.functional import lazy

from demo.models import Airline
from exports import lifecycle
from exports.files.names import filename_of
from exports.i18n.message import Message, dump, localize
from exports.lifecycle import attempts, parts, rescue
from exports.models import Export
from exports.status import Status
from notifications.models import Event
from tests.support.exporting import expire_lease, force_status, make_flights, run, start
from tests.support.languages import DASHBOARD, GERMAN, html
from tests.support.starting import start_export

pytestmark = pytest.mark.django_db


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
            texts.append(localize(export.error, export.reason)[0])
    return texts


@pytest.mark.django_db(transaction=True)  # On PostgreSQL rows are read over another connection.
def test_each_reader_sees_the_failure_in_their_own_language(signed_in, user, settings):
    settings.EXPORTS_MAX_ROWS = 2
    make_flights(range(1, 4))
    english = "This export has 3 rows; the limit is 2."
    german = "Dieser Export hat 3 Zeilen, erlaubt sind höchstens 2."

    with translation.override("de"):  # A worker's language is nobody's.
        export = run(start(user))

    everywhere = {*places(export)} - {"admin's list"}
    assert export.error.startswith(english)
    assert found(signed_in, export, english, ENGLISH) == everywhere
    assert found(signed_in, export, german, GERMAN) == everywhere
    # The log has it in English, behind what raised it.
    assert found(signed_in, export, f">{english}", GERMAN) == set()


@pytest.mark.django_db(transaction=True)
def test_api_and_streams_have_the_reason_in_english(signed_in, user, settings):
    settings.EXPORTS_MAX_ROWS = 2
    make_flights(range(1, 4))

    export = run(start(user))

    api = signed_in.get(reverse("api:get_export", args=[export.pk]), headers=GERMAN).json()
    [event] = Event.objects.filter(stream__name=export.stream, type="export.failed")
    assert api["error"] == event.data["error"] == export.error
    assert "reason" not in api
    inbox = signed_in.get(reverse("api:get_inbox"), headers=GERMAN).json()
    assert inbox["items"][0]["body"].startswith("Dieser Export hat 3 Zeilen")


def test_unexpected_error_text_stays_untranslated(signed_in, make_export):
    export = force_status(make_export(), Status.RUNNING, attempt=1)

    attempts.fail(export, "ValueError: no such plane")

    page = html(signed_in.get(export.get_absolute_url(), headers=GERMAN))
    assert "Ein unerwarteter Fehler ist aufgetreten." in page
    assert "<code>ValueError: no such plane</code>" in page


def test_lost_permission_is_named_in_the_readers_language(user):
    owner = User.objects.create_user("bob")
    owner.user_permissions.add(Permission.objects.get(codename="export_flight"))
    export = start(owner)
    owner.user_permissions.clear()

    with translation.override("de"):
        run(Export.objects.get(pk=export.pk))

    export.refresh_from_db()
    english, german = said(export)
    assert english == export.error
    assert english.startswith('You do not have permission to export "Flights".')
    assert german.startswith("Sie haben keine Berechtigung, „Flüge“ zu exportieren.")


def test_removed_choice_is_refused_in_djangos_translation(user):
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


def test_lost_workers_are_counted_in_the_readers_language(user, settings):
    settings.EXPORTS_MAX_ATTEMPTS = 1
    export = expire_lease(start(user))

    with translation.override("de"):
        rescue.rescue()

    export.refresh_from_db()
    assert said(export) == [
        "The worker worker-1@tests stopped while running this export.",
        "Der Worker worker-1@tests ist bei diesem Export ausgefallen.",
    ]


def test_last_error_of_a_lost_worker_is_translated(user, settings):
    settings.EXPORTS_MAX_ATTEMPTS = 1
    export = start(user)
    gone = Message("The database snapshot has expired: %(problem)s", problem="?")
    parts.tick(export, **dump(gone))

    expire_lease(export)
    rescue.rescue()

    export.refresh_from_db()
    assert said(export) == [
        "The database snapshot has expired: ?",
        "Der Snapshot der Datenbank ist abgelaufen: ?",
    ]


def test_new_attempt_clears_the_old_reason(user):
    export = start(user)
    parts.tick(export, **dump(Message("%(n)s", n=1)))
    attempts.hand_over(export)

    again = attempts.claim(export.pk, worker="another")

    assert (again.error, again.reason) == ("", None)


@pytest.mark.parametrize("reason", [None, {"text": "%(rows)d rows", "values": {"rows": "x"}}])
def test_untranslatable_reason_is_marked_as_english(signed_in, make_export, reason):
    # Of a version before reasons were kept, or of one that kept others.
    export = make_export(status=Status.FAILED, error="This export has 3 rows.", reason=reason)

    page = html(signed_in.get(export.get_absolute_url(), headers=GERMAN))

    assert '<bdi lang="en">This export has 3 rows.</bdi>' in page


def test_default_label_is_in_the_readers_language(signed_in, user):
    with translation.override("de"):
        export = start_export(user=user, exporter="flights")
    attempts.fail(attempts.claim(export.pk, worker="somebody"), "It could not be.")

    assert found(signed_in, export, "Flüge", GERMAN) == {*places(export)}
    assert found(signed_in, export, "Flights", ENGLISH) == {*places(export)}
    assert found(signed_in, export, "Flüge", ENGLISH) == set()


def test_file_name_is_in_the_readers_language(make_export):
    export = make_export(labels={"en": "Flights", "de": "Flüge"})

    with translation.override("de"):
        assert filename_of(export) == "Flüge.csv"


def test_chosen_label_is_the_same_in_every_language(signed_in, user):
    named = start_export(user=user, exporter="flights", label="For Bob")

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
def test_language_variant_uses_the_main_language(make_export, settings, reader, title):
    settings.LANGUAGE_CODE = "en-us"  # As startproject makes it: none that the site offers.
    export = make_export(label="asked for", labels={"en": "Flights", "de": "Flüge"})

    with translation.override(reader):
        assert export.title == title


def test_admin_searches_and_sorts_labels_in_the_readers_language(signed_in, make_export):
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


def test_label_of_an_admin_list_is_in_the_readers_language(signed_in):
    make_flights([1])
    Airline.objects.create(carrier="B6", name="JetBlue Airways")
    url = "/admin/demo/flight/export/?carrier__carrier__exact=UA&q=N1"

    signed_in.post(url, {"format": "csv"}, headers=GERMAN)

    export = Export.objects.get()
    assert export.label == "Flüge: Fluggesellschaft ist United Air Lines Inc.; Suche „N1“"
    english = "Flights: carrier is United Air Lines Inc.; search “N1”"
    assert english in found_title(signed_in, export, ENGLISH)
    assert export.label in found_title(signed_in, export, GERMAN)


def test_repeated_export_has_the_labels_of_its_origin(user):
    with translation.override("de"):
        asked = lazy(lambda: translation.gettext("all rows"), str)()
        selection = {"model": "demo.flight", "query": ""}
        first = start_export(
            user=user, exporter="flights", changelist=selection, default_label=asked
        )
    force_status(first, Status.FAILED)

    repeated, _ = lifecycle.retry(first)

    assert repeated.labels == first.labels == {"en": "all rows", "de": "alle Zeilen"}
