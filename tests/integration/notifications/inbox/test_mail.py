"""Notifications by e-mail: over real SMTP, at least once, and no more often than need be."""

from __future__ import annotations

import re
import sys
import threading
from datetime import timedelta
from email import message_from_bytes, policy
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.utils import timezone, translation

from config.mailbox import Mailbox
from exports import lifecycle
from exports.i18n.message import Sentence
from exports.lifecycle import attempts
from exports.models import Export
from notifications.inbox import email as letters
from notifications.inbox import inbox, mail
from notifications.inbox.email import NotSetUp, ServerDown
from notifications.inbox.mail import SendResult, send_due
from notifications.inbox.types import Notice
from notifications.models import Event, Inbox, Mailing, Stream
from notifications.streams import publish
from notifications.streams.access import user_stream
from tests.services.waybill import start_beat
from tests.support.mailserver import MailServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

# What a developer's beat says of a letter.
LETTER = re.compile(
    r"INFO +config\.mailbox: A letter to ada@example\.com: (.+\.eml)$", re.MULTILINE
)


@pytest.fixture
def server(settings):
    """A mail server that runs, and that the settings name."""
    server = MailServer()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.EMAIL_TIMEOUT = 30
    settings.SITE_URL = "https://exports.example.com"
    server.start()
    yield server
    server.stop()


@pytest.fixture
def make_user(django_user_model):
    def make(name, **fields):
        fields = {"email": f"{name}@example.com", **fields}
        return django_user_model.objects.create_user(name, **fields)

    return make


@pytest.fixture
def ada(make_user):
    return make_user("ada")


@transaction.atomic
def tell(user, *titles, **more):
    for title in titles:
        inbox.notify(user, title, **more)


@transaction.atomic
def append(user, *types, **data):
    publish.append_many(user_stream(user), [(each, data) for each in types])


def time_passes():
    """What was claimed or put off is free again."""
    Inbox.objects.exclude(mail_after=None).update(mail_after=timezone.now() - timedelta(seconds=1))


def subjects(server):
    return [subject for _, subject in server.sent]


# -- What is mailed ----------------------------------------------------------------------------


def test_what_one_is_told_is_mailed_once(server, ada):
    tell(ada, "Your report is ready", body="All 7 pages.\nIn colour.", url="/reports/7/?a=1&b=2")

    first, second = send_due(), send_due()

    assert (first, second) == (SendResult(sent=1), SendResult())
    [letter] = server.letters
    assert letter["Subject"] == "Your report is ready"
    assert (letter["From"], letter["To"]) == ("waybill@localhost", "ada@example.com")
    assert letter["Auto-Submitted"] == "auto-generated"
    assert parsedate_to_datetime(letter["Date"]) == Event.objects.get().at.replace(microsecond=0)
    assert letter.get_content_type() == "text/plain"
    assert letter.get_content().splitlines() == [
        "Your report is ready",
        "",
        "All 7 pages.",
        "In colour.",
        "",
        "https://exports.example.com/reports/7/?a=1&b=2",
        "",
        "You choose on the page “Notifications” which of these come by e-mail.",
    ]


def test_without_a_link_of_its_own_it_leads_to_the_inbox(server, ada):
    tell(ada, "Look")

    send_due()

    assert server.letters[0].get_content().splitlines()[:3] == [
        "Look",
        "",
        "https://exports.example.com/inbox/",
    ]


def test_a_link_to_elsewhere_is_left_as_it_is(server, ada):
    tell(ada, "Look", url="http://elsewhere.example/x")

    send_due()

    assert "\nhttp://elsewhere.example/x\n" in server.letters[0].get_content().replace("\r", "")


@pytest.fixture
def running(ada):
    """An export of hers that a worker has claimed."""
    ada.user_permissions.add(Permission.objects.get(codename="export_airport"))
    asked = lifecycle.request(user=ada, exporter="airports", label="Flughäfen ✈")
    return attempts.claim(asked.pk, worker="somebody")


def test_an_export_that_succeeds_is_mailed(server, running):
    attempts.succeed(running, file="airports.csv", bytes=2_048, sha256="", rows_done=1_458)

    send_due()

    [letter] = server.letters
    assert (letter["To"], letter["Subject"]) == ("ada@example.com", "Flughäfen ✈ is ready.")
    assert "1,458 rows, 2.0\N{NO-BREAK SPACE}KB." in letter.get_content()
    link = f"https://exports.example.com{running.get_absolute_url()}"
    assert link in letter.get_content().splitlines()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0b", "\u2028"])
def test_no_label_adds_a_header_to_a_letter(server, running, end):
    Export.objects.update(label=f"Mine{end}Bcc: eve@example.com{end}{end}A body")
    running.refresh_from_db()
    attempts.succeed(running, file="airports.csv", bytes=2_048, sha256="", rows_done=1_458)

    send_due()

    [letter] = server.letters
    assert letter["Subject"] == "Mine Bcc: eve@example.com A body is ready."
    assert (letter["To"], letter["Bcc"]) == ("ada@example.com", None)


def test_an_export_that_fails_is_mailed_with_the_reason(server, running):
    attempts.fail(running, "The disk is full.")

    send_due()

    [letter] = server.letters
    assert letter["Subject"] == "Flughäfen ✈ has failed."
    assert "The disk is full." in letter.get_content().splitlines()


def test_an_export_that_one_cancels_is_not_mailed(server, ada, running):
    lifecycle.cancel(running, by=ada)
    attempts.settle(running)

    assert send_due() == SendResult()


def test_events_that_are_no_notifications_or_not_for_mail_are_not_mailed(server, ada, register):
    register("quiet", lambda data: Notice("Quiet"), mail=False)
    append(ada, "log", "quiet", "export.queued")

    assert send_due() == SendResult()


def test_letters_of_one_user_go_out_in_order(server, ada):
    tell(ada, *"abc")

    send_due()

    assert subjects(server) == ["a", "b", "c"]


def test_a_letter_is_in_the_language_of_its_reader_else_of_the_site(
    server, ada, make_user, register, settings
):
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


def test_letters_are_in_what_the_pages_were_in_when_one_signed_in(server, ada, client, running):
    ada.set_password("a password of the tests")
    ada.save()
    asked = {"username": "ada", "password": "a password of the tests"}

    client.post("/login/", asked, headers={"Accept-Language": "de-AT,de;q=0.9"})

    attempts.fail(running, Sentence("The worker %(worker)s was lost on this export.", worker="x"))
    send_due()
    [letter] = server.letters
    assert letter["Subject"] == "Flughäfen ✈ ist fehlgeschlagen."
    assert "Bei diesem Export ist der Worker x verloren gegangen." in letter.get_content()


def test_letters_follow_the_language_that_one_chooses(server, ada, client, running):
    client.force_login(ada)
    inbox.choose_mailing(ada, Mailing.FAILURES, "en")

    client.post("/language/", {"language": "de"})
    client.post("/language/", {"language": "tlh"})  # No language of this site.
    client.get("/language/")

    assert Inbox.objects.get().language == "de"
    assert inbox.mailing(ada) == Mailing.FAILURES


def test_the_language_of_nobody_is_not_noted(client):
    client.post("/language/", {"language": "de"})

    assert not Inbox.objects.exists()


def test_a_letter_calls_an_export_that_nobody_named_as_its_reader_does(server, ada):
    ada.user_permissions.add(Permission.objects.get(codename="export_airport"))
    export = lifecycle.request(user=ada, exporter="airports")
    inbox.remember_language(ada, "de")

    attempts.fail(attempts.claim(export.pk, worker="somebody"), "No.")
    send_due()

    assert export.label == "Airports"
    assert server.letters[0]["Subject"] == "Flughäfen ist fehlgeschlagen."


# -- Who wants it ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "mailed"),
    [("all", ["fine", "bad", "hm"]), ("failures", ["bad"]), ("none", [])],
)
def test_one_is_mailed_what_one_chose(server, ada, choice, mailed):
    inbox.choose_mailing(ada, choice, "en")
    tell(ada, "fine", level="success")
    tell(ada, "bad", level="error")
    tell(ada, "hm", level="warning")

    send_due()

    assert subjects(server) == mailed


def test_who_chooses_more_is_not_mailed_what_was_before(server, ada):
    inbox.choose_mailing(ada, Mailing.NONE, "en")
    tell(ada, "before")
    send_due()
    inbox.choose_mailing(ada, Mailing.ALL, "en")
    tell(ada, "after")

    send_due()

    assert subjects(server) == ["after"]


@pytest.mark.parametrize("fields", [{"email": ""}, {"is_active": False}])
def test_who_has_no_address_or_is_deactivated_gets_none(server, make_user, fields):
    tell(make_user("bob", **fields), "Look")

    assert send_due() == SendResult()
    assert Inbox.objects.get().mailed_offset == 1


def test_the_stream_of_a_user_who_is_gone_holds_up_nobody(server, ada, make_user):
    gone = make_user("gone")
    for user in (gone, ada):
        tell(user, "Look")
    gone.delete()
    # Nor do streams with a name that is nobody's, or is somebody's by another spelling.
    for name in ("user-0nobody", f"user-0{ada.pk}"):
        with transaction.atomic():
            publish.append(name, "notification", {"title": "Look"})

    send_due()

    assert server.sent == [("ada@example.com", "Look")]


def test_what_is_older_than_a_day_is_not_mailed(server, ada):
    tell(ada, "old", "young")
    Event.objects.filter(offset=1).update(at=timezone.now() - mail.TOO_OLD)

    send_due()

    assert subjects(server) == ["young"]


def test_a_stream_that_was_made_anew_is_mailed_from_its_start(server, ada):
    tell(ada, "a", "b")
    send_due()

    Stream.objects.all().delete()
    tell(ada, "c")
    send_due()

    assert subjects(server) == ["a", "b", "c"]
    assert len({letter["Message-ID"] for letter in server.letters}) == 3


# -- Very many of one user --------------------------------------------------------------------


JOINED = "You have {} new notifications."


def test_many_notifications_of_one_user_are_joined_and_leave_room_for_others(
    server, ada, make_user, monkeypatch
):
    monkeypatch.setattr(mail, "MAX_SINGLE", 2)
    tell(ada, "a", body="Not in it.", url="/reports/7/")
    tell(ada, "b", "c")
    tell(make_user("bob"), "z")

    assert send_due() == SendResult(sent=2)

    letter, other = server.letters
    assert (letter["Subject"], other["Subject"]) == (JOINED.format(3), "z")
    assert letter.get_content().splitlines() == [
        "You have 3 new notifications.",
        "",
        "- a",
        "  https://exports.example.com/reports/7/",
        "",
        "- b",
        "  https://exports.example.com/inbox/",
        "",
        "- c",
        "  https://exports.example.com/inbox/",
        "",
        "There were many notifications, so they come in one e-mail. All details are on the page "
        "“Notifications”:",
        "https://exports.example.com/inbox/",
        "",
        "You choose on the page “Notifications” which of these come by e-mail.",
    ]
    epoch = Stream.objects.get(name=user_stream(ada)).epoch
    assert letter["Message-ID"] == f"<{epoch}.1-3@exports.example.com>"


def test_beyond_so_many_letters_an_hour_one_comes_each_ten_minutes(server, ada, monkeypatch):
    monkeypatch.setattr(mail, "MAX_SINGLE", 2)
    for title in "abc":
        tell(ada, title)
        send_due()
    tell(ada, *"de")
    too_soon = send_due()
    pause = Inbox.objects.get().mail_after - timezone.now()
    time_passes()
    later = send_due()

    assert subjects(server) == ["a", "b", "c", JOINED.format(2)]
    assert (too_soon, later) == (SendResult(), SendResult(sent=1))
    assert mail.DIGEST_PAUSE - timedelta(minutes=1) < pause <= mail.DIGEST_PAUSE


def test_after_an_hour_each_notification_has_a_letter_again(server, ada, monkeypatch):
    monkeypatch.setattr(mail, "MAX_SINGLE", 2)
    tell(ada, *"abc")
    send_due()
    Event.objects.update(at=timezone.now() - mail.SINGLE_WINDOW)
    time_passes()

    tell(ada, *"de")
    send_due()

    assert subjects(server) == [JOINED.format(3), "d", "e"]


def test_no_notification_is_lost_however_many_there_are(server, ada, monkeypatch):
    monkeypatch.setattr(mail, "MAX_DIGEST", 25)
    titles = [f"number {number}." for number in range(60)]
    tell(ada, *titles)

    for _ in range(4):
        send_due()
        time_passes()

    assert subjects(server) == [JOINED.format(25), JOINED.format(25), JOINED.format(10)]
    told = "".join(letter.get_content() for letter in server.letters)
    assert re.findall(r"^- (.+?)\r?$", told, re.MULTILINE) == titles


def test_joined_letter_has_what_its_reader_wants_and_nothing_else(server, ada, monkeypatch):
    monkeypatch.setattr(mail, "MAX_SINGLE", 2)
    inbox.choose_mailing(ada, Mailing.FAILURES, "de")
    tell(ada, *"abc")
    assert send_due() == SendResult()

    tell(ada, "broken", level="error")
    tell(ada, *"de")
    assert send_due() == SendResult(sent=1)
    assert subjects(server) == ["broken"]


def test_joined_letter_that_is_refused_is_skipped_or_comes_later(server, ada, monkeypatch):
    monkeypatch.setattr(mail, "MAX_SINGLE", 2)
    tell(ada, *"abc")
    server.to_letter = "452 Come back later"
    assert send_due() == SendResult(later=1)
    time_passes()
    server.to_letter = "554 No such letters"
    assert send_due() == SendResult(refused=1)
    server.to_letter = "250 OK"
    time_passes()

    assert send_due() == SendResult()
    assert Inbox.objects.get().mailed_offset == 3


# -- A server that does not want -----------------------------------------------------------------


def test_while_the_server_is_down_nothing_is_lost(server, ada):
    tell(ada, "a", "b")
    server.stop()
    with pytest.raises(ServerDown):
        send_due()
    tell(ada, "c")

    server.start()
    time_passes()

    assert send_due() == SendResult(sent=3)
    assert subjects(server) == ["a", "b", "c"]


def test_a_server_that_says_nothing_is_given_up_in_time(server, ada, settings):
    settings.EMAIL_TIMEOUT = 0.2
    server.is_silent = True
    tell(ada, "a")

    with pytest.raises(ServerDown):
        send_due()

    server.is_silent = False
    settings.EMAIL_TIMEOUT = 30
    time_passes()
    assert send_due() == SendResult(sent=1)


def test_on_whose_letter_the_server_goes_down_is_tried_after_the_others(server, ada, make_user):
    tell(ada, "poison")
    tell(make_user("bob"), "harmless")
    server.to_recipient["ada@example.com"] = "421 I go home"

    with pytest.raises(ServerDown):
        send_due()

    assert send_due() == SendResult(sent=1)
    assert server.sent == [("bob@example.com", "harmless")]


@pytest.mark.parametrize("password", ["", "wrong", "pässwörd"])
def test_a_server_that_wants_nothing_from_us_loses_nothing(server, ada, settings, password):
    tell(ada, "a")
    if password:
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "somebody", password
    else:
        server.to_sender = "550 We do not know you"

    with pytest.raises(ServerDown) as refused:
        send_due()

    assert password == "" or password not in str(refused.value)
    assert_put_off_only(ada)


def assert_put_off_only(user):
    row = Inbox.objects.get(user=user)
    assert row.mailed_offset == 0
    # Given back, not left to the end of a lease.
    assert row.mail_after < timezone.now() + mail.SERVER_DOWN_DELAY + timedelta(seconds=1)


@pytest.mark.parametrize("error", [OSError, ValueError, RuntimeError])
def test_a_back_end_that_cannot_be_opened_is_a_server_that_is_down(ada, settings, error):
    settings.EMAIL_BACKEND = f"{__name__}.CannotBeOpened"
    settings.EMAIL_ERROR = error
    tell(ada, "a")

    with pytest.raises(ServerDown, match=f"^{error.__name__}: No API of theirs$"):
        send_due()

    assert_put_off_only(ada)


class CannotBeOpened(BaseEmailBackend):
    def open(self):
        raise django_settings.EMAIL_ERROR("No API of theirs")

    def close(self):
        raise django_settings.EMAIL_ERROR("It never was open")


@pytest.mark.parametrize("asked", ["recipient", "letter", "header"])
def test_what_is_refused_for_good_does_not_block_what_comes_after(
    server, ada, make_user, asked, caplog
):
    bob = make_user("bob", email="bob@example.com\nBcc: eve@example.com" * (asked == "header"))
    if asked == "recipient":
        bob.email = "bob@example.com"
        server.to_recipient[bob.email] = "550 No such user"
    elif asked == "letter":
        bob.email = "bob@example.com"
        server.to_letter = "554 No such letters"
    bob.save()
    tell(bob, "first", "second")

    refused = send_due()
    server.to_recipient.clear()
    server.to_letter = "250 OK"
    tell(ada, "for ada")
    rest = send_due()

    assert (refused, rest) == (SendResult(refused=2), SendResult(sent=1))
    assert server.sent == [("ada@example.com", "for ada")]
    assert f"Event 1 cannot be mailed to user {bob.pk}" in caplog.text


@pytest.mark.parametrize("asked", ["recipient", "letter"])
def test_what_is_refused_for_now_waits_and_holds_up_nobody(server, ada, make_user, asked):
    tell(ada, "a", "b")
    if asked == "recipient":
        server.to_recipient["ada@example.com"] = "450 Come back later"
    else:
        server.to_letter = "452 Come back later"

    assert send_due() == SendResult(later=1)
    server.to_recipient.clear()
    server.to_letter = "250 OK"
    tell(make_user("bob"), "c")
    assert send_due() == SendResult(sent=1)
    time_passes()
    assert send_due() == SendResult(sent=2)

    assert subjects(server) == ["c", "a", "b"]


def test_a_back_end_that_fails_in_its_own_way_delays_that_letter_only(ada, make_user, settings):
    # What the settings name is somebody else's code.
    settings.EMAIL_BACKEND = f"{__name__}.FailsForAda"
    tell(ada, "a")
    tell(make_user("bob"), "b")

    assert send_due() == SendResult(sent=1, later=1)
    assert [row.mailed_offset for row in Inbox.objects.order_by("user")] == [0, 1]


class FailsForAda(BaseEmailBackend):
    def send_messages(self, messages):
        if messages[0].to == ["ada@example.com"]:
            raise RuntimeError("An API of theirs")
        return 1


def test_the_clock_comes_seldomer_while_the_server_is_down(server, ada):
    tell(ada, "a")
    server.stop()
    clock = SimpleNamespace(now=0.0)
    send = mail.SendDueWithBackoff(lambda: clock.now)
    tried = []

    for clock.now in range(0, 1_000, 10):
        time_passes()
        before = Inbox.objects.values_list("mail_attempt", flat=True).first() or 0
        send()
        if Inbox.objects.get().mail_attempt > before:
            tried.append(clock.now)
    server.start()
    clock.now = 2_000.0
    time_passes()
    send()
    tell(ada, "b")
    send()

    assert subjects(server) == ["a", "b"]
    server.stop()
    tell(ada, "c")
    send()
    server.start()
    time_passes()
    clock.now += 10
    send()

    assert tried == [0, 10, 30, 70, 150, 310, 610, 910]
    assert subjects(server) == ["a", "b", "c"]


# -- Not set up ----------------------------------------------------------------------------------

MISSING = {"EMAIL_BACKEND": letters.DUMMY_BACKEND, "SITE_URL": ""}


@pytest.mark.parametrize("name", MISSING)
def test_until_mail_is_set_up_what_is_due_waits_for_a_day(server, ada, settings, caplog, name):
    wanted = getattr(settings, name)
    setattr(settings, name, MISSING[name])
    tell(ada, "old", "young")
    send = mail.SendDueWithBackoff()

    send()
    send()
    Event.objects.filter(offset=1).update(at=timezone.now() - mail.TOO_OLD)
    setattr(settings, name, wanted)
    mail.SendDueWithBackoff()()

    said = [record.message for record in caplog.records if record.name == mail.__name__]
    assert len(said) == 1
    assert said[0].startswith("E-mail is off: ")
    assert said[0].endswith({"EMAIL_BACKEND": " Set EMAIL_URL."}.get(name, f" Set {name}."))
    assert subjects(server) == ["young"]


def test_a_project_without_an_address_for_links_is_told(server, settings):
    del settings.SITE_URL

    with pytest.raises(NotSetUp, match=r"Set SITE_URL\.$"):
        send_due()


@pytest.mark.parametrize("name", MISSING)
def test_the_command_fails_with_the_remedy_when_mail_is_not_set_up(server, settings, name):
    setattr(settings, name, MISSING[name])

    with pytest.raises(CommandError, match=r"^E-mail is off: .* Set (EMAIL|SITE)_URL\.$"):
        call_command("mail_notifications")


# -- Twice, and at once --------------------------------------------------------------------------


def test_who_dies_between_sending_and_noting_leads_to_the_same_letter_again(server, ada, run):
    tell(ada, "a", "b")
    died = threading.Event()
    process = run.start(
        "mail",
        [sys.executable, "manage.py", "mail_notifications"],
        env={"EMAIL_URL": server.url, "SITE_URL": "https://exports.example.com"},
    )

    def die(letter):
        if not died.is_set():
            process.kill()
            died.set()

    server.on_letter = die
    assert died.wait(60), process.log_text()
    assert subjects(server) == ["a"]

    held = send_due()
    time_passes()
    again = send_due()

    assert (held, again) == (SendResult(), SendResult(sent=2))
    assert subjects(server) == ["a", "a", "b"]
    assert server.contents[0] == server.contents[1]
    epoch = Stream.objects.get(name=user_stream(ada)).epoch
    assert [letter["Message-ID"] for letter in server.letters] == [
        f"<{epoch}.1@exports.example.com>",
        f"<{epoch}.1@exports.example.com>",
        f"<{epoch}.2@exports.example.com>",
    ]


def at_once(number, function):
    """Call it in so many threads, each with a connection of its own; what it returned."""
    together = threading.Barrier(number)
    outcomes = []

    def call():
        try:
            connection.ensure_connection()
            together.wait(60)
            outcomes.append(function())
        except Exception as error:  # noqa: BLE001 - shown by the test
            outcomes.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=call) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return outcomes


def test_senders_at_once_mail_everything_once(server, make_user):
    users = [make_user(f"user{number}") for number in range(6)]
    for user in users:
        tell(user, "a", "b")

    outcomes = at_once(4, send_due)

    assert sum(outcome.sent for outcome in outcomes) == 12, outcomes
    assert sorted(server.sent) == sorted((user.email, each) for user in users for each in "ab")


def test_a_sender_who_took_too_long_stops_when_another_has_taken_over(server, ada):
    tell(ada, "a", "b")
    outcomes = []

    def after_the_lease():
        time_passes()
        return send_due()

    def take_over(letter):
        server.on_letter = lambda letter: None
        outcomes.extend(at_once(1, after_the_lease))

    server.on_letter = take_over

    assert send_due() == SendResult(sent=1)
    assert outcomes == [SendResult(sent=2)]
    assert subjects(server) == ["a", "a", "b"]
    assert Inbox.objects.get().mailed_offset == 2


def test_who_claims_late_goes_on_from_where_the_one_before_has_stopped(server, ada, monkeypatch):
    tell(ada, "a")
    take = mail._Claim.take
    overtaken = []

    def first_somebody_else(user, stream):
        if not overtaken:
            overtaken.append(True)
            send_due()
        return take(user, stream)

    monkeypatch.setattr(mail._Claim, "take", first_somebody_else)

    assert send_due() == SendResult()
    assert subjects(server) == ["a"]


# -- What it costs, and who calls it -------------------------------------------------------------


def test_with_nothing_due_it_asks_once_whatever_the_number_of_users(
    server, make_user, django_assert_num_queries
):
    for number in range(20):
        tell(make_user(f"user{number}"), "Look")
    send_due()

    with django_assert_num_queries(1):
        assert send_due() == SendResult()


def test_a_letter_costs_one_write(server, ada, django_assert_num_queries):
    tell(ada, "first")
    send_due()
    tell(ada, *"abcde")

    with django_assert_num_queries(8 + 5):
        assert send_due() == SendResult(sent=5)


def test_the_command_says_what_it_did(server, ada, capsys):
    tell(ada, "Look")

    call_command("mail_notifications")

    assert capsys.readouterr().out == "Sent 1, refused 0, postponed 0.\n"


def test_the_command_fails_when_the_server_is_down(server, ada):
    tell(ada, "Look")
    server.stop()

    with pytest.raises(
        CommandError, match=r"^The mail server cannot be used; .* ConnectionRefused"
    ):
        call_command("mail_notifications")


@pytest.fixture
def beat_with(run, valkey):
    started = []

    def start(**env):
        started.append(start_beat(run, env))
        return started[-1]

    yield start
    for process in started:
        process.kill()


def test_beat_mails_what_is_due(server, ada, beat_with):
    tell(ada, "Look")

    beat_with(EMAIL_URL=server.url)

    wait_until(lambda: server.letters, 60, "the letter comes")
    assert server.sent == [("ada@example.com", "Look")]
    wait_until(lambda: Inbox.objects.get().mail_after is None, 60, "it is noted")
    assert Inbox.objects.get().mailed_offset == 1


def test_in_development_beat_keeps_letters_and_says_where(ada, beat_with, tmp_path):
    tell(ada, "Look at this")

    beat = beat_with(VAR_DIR=str(tmp_path))

    said = wait_until(lambda: LETTER.search(beat.log_text()), 60, "it says where the letter is")
    path = Path(said[1])
    assert path.parent == tmp_path / "mail"
    assert path.parent.stat().st_mode & 0o077 == 0
    letter = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert (letter["To"], letter["Subject"]) == ("ada@example.com", "Look at this")
    assert "http://127.0.0.1:8000/inbox/" in letter.get_content()
    assert "Look at this" not in beat.log_text()


def test_letters_of_one_moment_are_files_of_their_own(settings, tmp_path):
    settings.EMAIL_FILE_PATH = tmp_path
    mailbox = Mailbox()

    assert mailbox.send_messages([EmailMessage(f"No. {each}") for each in range(5)]) == 5

    paths = sorted(tmp_path.glob("*.eml"))
    letters = [message_from_bytes(path.read_bytes()) for path in paths]
    assert [letter["Subject"] for letter in letters] == [f"No. {each}" for each in range(5)]


def test_letters_are_for_their_owner_also_in_a_directory_that_was_there(settings, tmp_path):
    settings.EMAIL_FILE_PATH = tmp_path
    tmp_path.chmod(0o755)

    Mailbox().send_messages([EmailMessage("Look at this")])

    [path] = tmp_path.iterdir()
    assert path.stat().st_mode & 0o077 == 0


def test_in_production_beat_prints_none_and_says_once_that_nobody_is_mailed(ada, beat_with):
    tell(ada, "Look at this")

    beat = beat_with(DEBUG="0", SECRET_KEY="secret" * 10, ALLOWED_HOSTS="*")

    wait_until(lambda: "Set EMAIL_URL." in beat.log_text(), 60, "it says what is missing")
    beat.stop()
    assert beat.log_text().count("E-mail is off") == 1
    assert "Look at this" not in beat.log_text()
    assert not Inbox.objects.exists()
