"""What is mailed, to whom it is mailed, and in which words."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest
from django.contrib.auth.models import Permission
from django.db import transaction
from django.utils import translation

from exports import lifecycle
from exports.i18n.message import Message
from exports.lifecycle import attempts
from exports.models import Export
from notifications.inbox import inbox
from notifications.inbox.mail import SendResult, send_due
from notifications.inbox.types import Notice
from notifications.models import Event, Inbox, Mailing
from notifications.streams import publish
from notifications.streams.access import user_stream
from tests.support.inbox import notify_all
from tests.support.mailing import subjects
from tests.support.starting import start_export

pytestmark = pytest.mark.django_db(transaction=True)


@transaction.atomic
def append(user, *types, **data):
    publish.append_many(user_stream(user), [(each, data) for each in types])


def test_notification_is_mailed_once(server, ada):
    notify_all(
        ada, "Your report is ready", body="All 7 pages.\nIn colour.", url="/reports/7/?a=1&b=2"
    )

    first, second = send_due(), send_due()

    assert (first, second) == (SendResult(sent=1), SendResult())
    [message] = server.messages
    assert message["Subject"] == "Your report is ready"
    assert (message["From"], message["To"]) == ("waybill@localhost", "ada@example.com")
    assert message["Auto-Submitted"] == "auto-generated"
    assert parsedate_to_datetime(message["Date"]) == Event.objects.get().at.replace(microsecond=0)
    assert message.get_content_type() == "text/plain"
    assert message.get_content().splitlines() == [
        "Your report is ready",
        "",
        "All 7 pages.",
        "In colour.",
        "",
        "https://exports.example.com/reports/7/?a=1&b=2",
        "",
        "You can choose which notifications you get by e-mail on the “Notifications” page.",
    ]


def test_email_without_a_link_leads_to_the_inbox(server, ada):
    notify_all(ada, "Look")

    send_due()

    assert server.messages[0].get_content().splitlines()[:3] == [
        "Look",
        "",
        "https://exports.example.com/inbox/",
    ]


def test_external_link_is_mailed_unchanged(server, ada):
    notify_all(ada, "Look", url="http://elsewhere.example/x")

    send_due()

    assert "\nhttp://elsewhere.example/x\n" in server.messages[0].get_content().replace("\r", "")


@pytest.fixture
def running(ada):
    """An export of hers that a worker has claimed."""
    ada.user_permissions.add(Permission.objects.get(codename="export_airport"))
    asked = start_export(user=ada, exporter="airports", label="Flughäfen ✈")
    return attempts.claim(asked.pk, worker="somebody")


def test_export_that_succeeds_is_mailed(server, running):
    attempts.succeed(running, file="airports.csv", bytes=2_048, sha256="", rows_done=1_458)

    send_due()

    [message] = server.messages
    assert (message["To"], message["Subject"]) == ("ada@example.com", "“Flughäfen ✈” is ready.")
    assert "1,458 rows, 2.0\N{NO-BREAK SPACE}KB." in message.get_content()
    link = f"https://exports.example.com{running.get_absolute_url()}"
    assert link in message.get_content().splitlines()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0b", "\u2028"])
def test_label_cannot_add_a_header_to_an_email(server, running, end):
    Export.objects.update(label=f"Mine{end}Bcc: eve@example.com{end}{end}A body")
    running.refresh_from_db()
    attempts.succeed(running, file="airports.csv", bytes=2_048, sha256="", rows_done=1_458)

    send_due()

    [message] = server.messages
    # A long subject begins on a line of its own, and Python's parser keeps the space before it.
    assert message["Subject"].strip() == "“Mine Bcc: eve@example.com A body” is ready."
    assert (message["To"], message["Bcc"]) == ("ada@example.com", None)


def test_export_that_fails_is_mailed_with_the_reason(server, running):
    attempts.fail(running, "The disk is full.")

    send_due()

    [message] = server.messages
    assert message["Subject"] == "“Flughäfen ✈” has failed."
    assert "The disk is full." in message.get_content().splitlines()


def test_cancelled_export_is_not_mailed_to_its_owner(server, ada, running):
    lifecycle.cancel(running, by=ada)
    attempts.finish_stopping(running)

    assert send_due() == SendResult()


def test_other_events_and_quiet_notifications_are_not_mailed(server, ada, register):
    register("quiet", lambda data: Notice("Quiet"), mail=False)
    append(ada, "log", "quiet", "export.queued")

    assert send_due() == SendResult()


def test_emails_of_one_user_are_sent_in_order(server, ada):
    notify_all(ada, *"abc")

    send_due()

    assert subjects(server) == ["a", "b", "c"]


def test_email_is_in_the_readers_language_or_the_sites(server, ada, make_user, register, settings):
    settings.LANGUAGE_CODE = "fr"
    settings.LANGUAGES = [("fr", "French"), ("de", "German")]
    register("spoken", lambda data: Notice(translation.get_language()))
    bob, carol = make_user("bob"), make_user("carol")
    inbox.choose_mailing(ada, Mailing.ALL, "de")
    inbox.choose_mailing(carol, Mailing.ALL, "it")  # The site had that once.
    for user in (ada, bob, carol):
        append(user, "spoken")

    send_due()

    assert sorted(server.sent) == [
        ("ada@example.com", "de"),
        ("bob@example.com", "fr"),
        ("carol@example.com", "fr"),
    ]


def test_email_is_in_the_language_of_the_pages_at_sign_in(server, ada, client, running):
    ada.set_password("a password of the tests")
    ada.save()
    asked = {"username": "ada", "password": "a password of the tests"}

    client.post("/login/", asked, headers={"Accept-Language": "de-AT,de;q=0.9"})

    attempts.fail(
        running, Message("The worker %(worker)s stopped while running this export.", worker="x")
    )
    send_due()
    [message] = server.messages
    assert message["Subject"] == "„Flughäfen ✈“ ist fehlgeschlagen."
    assert "Der Worker x ist bei diesem Export ausgefallen." in message.get_content()


def test_email_follows_the_chosen_language(server, ada, client, running):
    client.force_login(ada)
    inbox.choose_mailing(ada, Mailing.FAILURES, "en")

    client.post("/language/", {"language": "de"})
    client.post("/language/", {"language": "tlh"})  # No language of this site.
    client.get("/language/")

    assert Inbox.objects.get().language == "de"
    assert inbox.mailing(ada) == Mailing.FAILURES


def test_language_of_an_anonymous_visitor_is_not_stored(client):
    client.post("/language/", {"language": "de"})

    assert not Inbox.objects.exists()


def test_default_label_in_an_email_is_in_the_readers_language(server, ada):
    ada.user_permissions.add(Permission.objects.get(codename="export_airport"))
    export = start_export(user=ada, exporter="airports")
    inbox.remember_language(ada, "de")

    attempts.fail(attempts.claim(export.pk, worker="somebody"), "No.")
    send_due()

    assert export.label == "Airports"
    assert server.messages[0]["Subject"] == "„Flughäfen“ ist fehlgeschlagen."
