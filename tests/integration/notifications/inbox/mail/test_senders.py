"""Several senders of mail, what they cost, and who calls them."""

from __future__ import annotations

import re
import sys
import threading
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from django.core.mail import EmailMessage
from django.core.management import CommandError, call_command

from config.mailbox import Mailbox
from notifications.inbox import mail
from notifications.inbox.mail import SendResult, send_due
from notifications.models import Inbox, Stream
from notifications.streams.access import user_stream
from tests.services.waybill import start_beat
from tests.support.at_once import at_once
from tests.support.inbox import notify_all
from tests.support.mailing import end_waits, subjects
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


# What a developer's beat says of a letter.
LETTER = re.compile(r"INFO +config\.mailbox: E-mail to ada@example\.com: (.+\.eml)$", re.MULTILINE)

# -- Twice, and at once --------------------------------------------------------------------------


@pytest.mark.proves("mail-at-least-once")
def test_sender_killed_after_sending_sends_the_same_email_again(server, ada, run):
    notify_all(ada, "a", "b")
    died = threading.Event()
    process = run.start(
        "mail",
        [sys.executable, "manage.py", "mail_notifications"],
        env={"EMAIL_URL": server.url, "SITE_URL": "https://exports.example.com"},
    )

    def die(message):
        if not died.is_set():
            process.kill()
            died.set()

    server.on_message = die
    assert died.wait(60), process.log_text()
    assert subjects(server) == ["a"]

    held = send_due()
    end_waits()
    again = send_due()

    assert (held, again) == (SendResult(), SendResult(sent=2))
    assert subjects(server) == ["a", "a", "b"]
    assert server.contents[0] == server.contents[1]
    epoch = Stream.objects.get(name=user_stream(ada)).epoch
    assert [message["Message-ID"] for message in server.messages] == [
        f"<{epoch}.1@exports.example.com>",
        f"<{epoch}.1@exports.example.com>",
        f"<{epoch}.2@exports.example.com>",
    ]


@pytest.mark.proves("mail-at-least-once")
def test_concurrent_senders_mail_everything_once(server, make_user):
    users = [make_user(f"user{number}") for number in range(6)]
    for user in users:
        notify_all(user, "a", "b")

    outcomes = at_once(4, send_due)

    assert sum(outcome.sent for outcome in outcomes) == 12, outcomes
    assert sorted(server.sent) == sorted((user.email, each) for user in users for each in "ab")


@pytest.mark.proves("mail-at-least-once")
def test_slow_sender_stops_after_a_takeover(server, ada):
    notify_all(ada, "a", "b")
    outcomes = []

    def after_the_lease():
        end_waits()
        return send_due()

    def take_over(message):
        server.on_message = lambda message: None
        outcomes.extend(at_once(1, after_the_lease))

    server.on_message = take_over

    assert send_due() == SendResult(sent=1)
    assert outcomes == [SendResult(sent=2)]
    assert subjects(server) == ["a", "a", "b"]
    assert Inbox.objects.get().mailed_offset == 2


def test_late_claim_continues_where_the_earlier_sender_stopped(server, ada, monkeypatch):
    notify_all(ada, "a")
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


def test_idle_sender_needs_one_query_for_any_number_of_users(
    server, make_user, django_assert_num_queries
):
    for number in range(20):
        notify_all(make_user(f"user{number}"), "Look")
    send_due()

    with django_assert_num_queries(1):
        assert send_due() == SendResult()


def test_email_costs_one_write(server, ada, django_assert_num_queries):
    notify_all(ada, "first")
    send_due()
    notify_all(ada, *"abcde")

    with django_assert_num_queries(8 + 5):
        assert send_due() == SendResult(sent=5)


def test_command_prints_its_counts(server, ada, capsys):
    notify_all(ada, "Look")

    call_command("mail_notifications")

    assert capsys.readouterr().out == "Sent: 1. Refused: 0. Postponed: 0.\n"


def test_command_fails_when_the_server_is_down(server, ada):
    notify_all(ada, "Look")
    server.stop()

    with pytest.raises(
        CommandError, match=r"^The mail server is not available. .* ConnectionRefused"
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


def test_beat_sends_due_emails(server, ada, beat_with):
    notify_all(ada, "Look")

    beat_with(EMAIL_URL=server.url)

    wait_until(lambda: server.messages, 60, "the letter comes")
    assert server.sent == [("ada@example.com", "Look")]
    wait_until(lambda: Inbox.objects.get().mail_after is None, 60, "it is noted")
    assert Inbox.objects.get().mailed_offset == 1


def test_development_beat_saves_emails_and_logs_their_paths(ada, beat_with, tmp_path):
    notify_all(ada, "Look at this")

    beat = beat_with(VAR_DIR=str(tmp_path))

    said = wait_until(lambda: LETTER.search(beat.log_text()), 60, "it says where the letter is")
    path = Path(said[1])
    assert path.parent == tmp_path / "mail"
    assert path.parent.stat().st_mode & 0o077 == 0
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert (message["To"], message["Subject"]) == ("ada@example.com", "Look at this")
    assert "http://127.0.0.1:8000/inbox/" in message.get_content()
    assert "Look at this" not in beat.log_text()


def test_simultaneous_emails_are_separate_files(settings, tmp_path):
    settings.EMAIL_FILE_PATH = tmp_path
    mailbox = Mailbox()

    assert mailbox.send_messages([EmailMessage(f"No. {each}") for each in range(5)]) == 5

    paths = sorted(tmp_path.glob("*.eml"))
    letters = [message_from_bytes(path.read_bytes()) for path in paths]
    assert [message["Subject"] for message in letters] == [f"No. {each}" for each in range(5)]


def test_saved_emails_are_private_even_in_an_open_directory(settings, tmp_path):
    settings.EMAIL_FILE_PATH = tmp_path
    tmp_path.chmod(0o755)

    Mailbox().send_messages([EmailMessage("Look at this")])

    [path] = tmp_path.iterdir()
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.proves("no-mail-into-logs")
def test_production_beat_logs_once_that_mail_is_off(ada, beat_with):
    notify_all(ada, "Look at this")

    beat = beat_with(DEBUG="0", SECRET_KEY="secret" * 10, ALLOWED_HOSTS="*")

    wait_until(lambda: "Set EMAIL_URL." in beat.log_text(), 60, "it says what is missing")
    beat.stop()
    assert beat.log_text().count("E-mail is off") == 1
    assert "Look at this" not in beat.log_text()
    assert not Inbox.objects.exists()
