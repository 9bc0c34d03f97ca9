"""Who is mailed what, and how often."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from notifications.inbox import inbox, mail
from notifications.inbox.mail import SendResult, send_due
from notifications.models import Event, Inbox, Mailing, Stream
from notifications.streams import publish
from notifications.streams.access import user_stream
from tests.support.inbox import notify_all
from tests.support.mailing import end_waits, subjects

pytestmark = pytest.mark.django_db(transaction=True)


# -- Who wants it --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "mailed"),
    [("all", ["fine", "bad", "hm"]), ("failures", ["bad"]), ("none", [])],
)
def test_mailed_notifications_match_the_preference(server, ada, choice, mailed):
    inbox.choose_mailing(ada, choice, "en")
    notify_all(ada, "fine", level="success")
    notify_all(ada, "bad", level="error")
    notify_all(ada, "hm", level="warning")

    send_due()

    assert subjects(server) == mailed


def test_wider_preferencemails_no_older_notifications(server, ada):
    inbox.choose_mailing(ada, Mailing.NONE, "en")
    notify_all(ada, "before")
    send_due()
    inbox.choose_mailing(ada, Mailing.ALL, "en")
    notify_all(ada, "after")

    send_due()

    assert subjects(server) == ["after"]


@pytest.mark.parametrize("fields", [{"email": ""}, {"is_active": False}])
def test_user_without_an_address_or_deactivated_gets_no_email(server, make_user, fields):
    notify_all(make_user("bob", **fields), "Look")

    assert send_due() == SendResult()
    assert Inbox.objects.get().mailed_offset == 1


def test_stream_of_a_deleted_user_delays_no_email(server, ada, make_user):
    gone = make_user("gone")
    for user in (gone, ada):
        notify_all(user, "Look")
    gone.delete()
    # Nor do streams with a name that is nobody's, or is somebody's by another spelling.
    for name in ("user-0nobody", f"user-0{ada.pk}"):
        with transaction.atomic():
            publish.append(name, "notification", {"title": "Look"})

    send_due()

    assert server.sent == [("ada@example.com", "Look")]


def test_notification_older_than_a_day_is_not_mailed(server, ada):
    notify_all(ada, "old", "young")
    Event.objects.filter(offset=1).update(at=timezone.now() - mail.TOO_OLD)

    send_due()

    assert subjects(server) == ["young"]


def test_recreated_stream_is_mailed_from_its_start(server, ada):
    notify_all(ada, "a", "b")
    send_due()

    Stream.objects.all().delete()
    notify_all(ada, "c")
    send_due()

    assert subjects(server) == ["a", "b", "c"]
    assert len({message["Message-ID"] for message in server.messages}) == 3


# -- Very many of one user -----------------------------------------------------------------------


JOINED = "You have {} new notifications."


@pytest.mark.proves("mail-rate-is-limited")
def test_many_notifications_are_joined_and_delay_no_other_user(server, ada, make_user, monkeypatch):
    monkeypatch.setattr(mail, "MAX_SINGLE", 2)
    notify_all(ada, "a", body="Not in it.", url="/reports/7/")
    notify_all(ada, "b", "c")
    notify_all(make_user("bob"), "z")

    assert send_due() == SendResult(sent=2)

    message, other = server.messages
    assert (message["Subject"], other["Subject"]) == (JOINED.format(3), "z")
    assert message.get_content().splitlines() == [
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
        "These notifications are combined in one e-mail. You can find the details on "
        "the “Notifications” page:",
        "https://exports.example.com/inbox/",
        "",
        "You can choose which notifications you get by e-mail on the “Notifications” page.",
    ]
    epoch = Stream.objects.get(name=user_stream(ada)).epoch
    assert message["Message-ID"] == f"<{epoch}.1-3@exports.example.com>"


@pytest.mark.proves("mail-rate-is-limited")
def test_digest_comes_every_ten_minutes_beyond_the_hourly_limit(server, ada, monkeypatch):
    monkeypatch.setattr(mail, "MAX_SINGLE", 2)
    for title in "abc":
        notify_all(ada, title)
        send_due()
    notify_all(ada, *"de")
    too_soon = send_due()
    pause = Inbox.objects.get().mail_after - timezone.now()
    end_waits()
    later = send_due()

    assert subjects(server) == ["a", "b", "c", JOINED.format(2)]
    assert (too_soon, later) == (SendResult(), SendResult(sent=1))
    assert mail.DIGEST_PAUSE - timedelta(minutes=1) < pause <= mail.DIGEST_PAUSE


def test_single_emails_resume_after_an_hour(server, ada, monkeypatch):
    monkeypatch.setattr(mail, "MAX_SINGLE", 2)
    notify_all(ada, *"abc")
    send_due()
    Event.objects.update(at=timezone.now() - mail.SINGLE_WINDOW)
    end_waits()

    notify_all(ada, *"de")
    send_due()

    assert subjects(server) == [JOINED.format(3), "d", "e"]


@pytest.mark.proves("mail-rate-is-limited")
def test_large_digests_lose_no_notification(server, ada, monkeypatch):
    monkeypatch.setattr(mail, "MAX_DIGEST", 25)
    titles = [f"number {number}." for number in range(60)]
    notify_all(ada, *titles)

    for _ in range(4):
        send_due()
        end_waits()

    assert subjects(server) == [JOINED.format(25), JOINED.format(25), JOINED.format(10)]
    told = "".join(message.get_content() for message in server.messages)
    assert re.findall(r"^- (.+?)\r?$", told, re.MULTILINE) == titles


def test_digest_has_only_wanted_notifications(server, ada, monkeypatch):
    monkeypatch.setattr(mail, "MAX_SINGLE", 2)
    inbox.choose_mailing(ada, Mailing.FAILURES, "de")
    notify_all(ada, *"abc")
    assert send_due() == SendResult()

    notify_all(ada, "broken", level="error")
    notify_all(ada, *"de")
    assert send_due() == SendResult(sent=1)
    assert subjects(server) == ["broken"]


def test_refused_digest_is_skipped_or_postponed(server, ada, monkeypatch):
    monkeypatch.setattr(mail, "MAX_SINGLE", 2)
    notify_all(ada, *"abc")
    server.message_reply = "452 Come back later"
    assert send_due() == SendResult(postponed=1)
    end_waits()
    server.message_reply = "554 No such letters"
    assert send_due() == SendResult(refused=1)
    server.message_reply = "250 OK"
    end_waits()

    assert send_due() == SendResult()
    assert Inbox.objects.get().mailed_offset == 3
