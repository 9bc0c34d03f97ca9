"""A mail server that is down or refuses, and mail that is not set up."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.conf import settings as django_settings
from django.core.mail.backends.base import BaseEmailBackend
from django.core.management import CommandError, call_command
from django.utils import timezone

from notifications.inbox import email as letters
from notifications.inbox import mail
from notifications.inbox.email import NotSetUp, ServerDown
from notifications.inbox.mail import SendResult, send_due
from notifications.models import Event, Inbox
from tests.support.inbox import notify_all
from tests.support.mailing import end_waits, subjects

pytestmark = pytest.mark.django_db(transaction=True)


# -- A server that does not want -----------------------------------------------------------------


@pytest.mark.proves("mail-at-least-once")
def test_server_outage_loses_no_email(server, ada):
    notify_all(ada, "a", "b")
    server.stop()
    with pytest.raises(ServerDown):
        send_due()
    notify_all(ada, "c")

    server.start()
    end_waits()

    assert send_due() == SendResult(sent=3)
    assert subjects(server) == ["a", "b", "c"]


@pytest.mark.proves("mail-outage-delays-nothing-else")
def test_silent_server_times_out(server, ada, settings):
    settings.EMAIL_TIMEOUT = 0.2
    server.is_silent = True
    notify_all(ada, "a")

    with pytest.raises(ServerDown):
        send_due()

    server.is_silent = False
    settings.EMAIL_TIMEOUT = 30
    end_waits()
    assert send_due() == SendResult(sent=1)


@pytest.mark.proves("mail-outage-delays-nothing-else")
def test_email_that_breaks_the_server_is_retried_last(server, ada, make_user):
    notify_all(ada, "poison")
    notify_all(make_user("bob"), "harmless")
    server.recipient_replies["ada@example.com"] = "421 I go home"

    with pytest.raises(ServerDown):
        send_due()

    assert send_due() == SendResult(sent=1)
    assert server.sent == [("bob@example.com", "harmless")]


@pytest.mark.parametrize("password", ["", "wrong", "pässwörd"])
def test_refusing_server_loses_no_email(server, ada, settings, password):
    notify_all(ada, "a")
    if password:
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "somebody", password
    else:
        server.sender_reply = "550 We do not know you"

    with pytest.raises(ServerDown) as refused:
        send_due()

    assert password == "" or password not in str(refused.value)
    assert_put_off_only(ada)


def assert_put_off_only(user):
    row = Inbox.objects.get(user=user)
    assert row.mailed_offset == 0
    # Given back, not left to the end of a lease.
    assert row.mail_after < timezone.now() + mail.SERVER_DOWN_DELAY + timedelta(seconds=1)


@pytest.mark.proves("mail-outage-delays-nothing-else")
@pytest.mark.parametrize("error", [OSError, ValueError, RuntimeError])
def test_backend_that_cannot_be_opened_counts_as_an_outage(ada, settings, error):
    settings.EMAIL_BACKEND = f"{__name__}.CannotBeOpened"
    settings.EMAIL_ERROR = error
    notify_all(ada, "a")

    with pytest.raises(ServerDown, match=f"^{error.__name__}: No API of theirs$"):
        send_due()

    assert_put_off_only(ada)


class CannotBeOpened(BaseEmailBackend):
    def open(self):
        raise django_settings.EMAIL_ERROR("No API of theirs")

    def close(self):
        raise django_settings.EMAIL_ERROR("It never was open")


@pytest.mark.proves("mail-outage-delays-nothing-else")
@pytest.mark.parametrize("asked", ["recipient", "letter", "header"])
def test_permanent_refusal_does_not_block_later_emails(server, ada, make_user, asked, caplog):
    bob = make_user("bob", email="bob@example.com\nBcc: eve@example.com" * (asked == "header"))
    if asked == "recipient":
        bob.email = "bob@example.com"
        server.recipient_replies[bob.email] = "550 No such user"
    elif asked == "letter":
        bob.email = "bob@example.com"
        server.message_reply = "554 No such letters"
    bob.save()
    notify_all(bob, "first", "second")

    refused = send_due()
    server.recipient_replies.clear()
    server.message_reply = "250 OK"
    notify_all(ada, "for ada")
    rest = send_due()

    assert (refused, rest) == (SendResult(refused=2), SendResult(sent=1))
    assert server.sent == [("ada@example.com", "for ada")]
    assert f"Event 1 cannot be mailed to user {bob.pk}" in caplog.text


@pytest.mark.proves("mail-outage-delays-nothing-else")
@pytest.mark.parametrize("asked", ["recipient", "letter"])
def test_temporary_refusal_postpones_only_one_user(server, ada, make_user, asked):
    notify_all(ada, "a", "b")
    if asked == "recipient":
        server.recipient_replies["ada@example.com"] = "450 Come back later"
    else:
        server.message_reply = "452 Come back later"

    assert send_due() == SendResult(postponed=1)
    server.recipient_replies.clear()
    server.message_reply = "250 OK"
    notify_all(make_user("bob"), "c")
    assert send_due() == SendResult(sent=1)
    end_waits()
    assert send_due() == SendResult(sent=2)

    assert subjects(server) == ["c", "a", "b"]


def test_backend_failure_postpones_only_its_email(ada, make_user, settings):
    # What the settings name is somebody else's code.
    settings.EMAIL_BACKEND = f"{__name__}.FailsForAda"
    notify_all(ada, "a")
    notify_all(make_user("bob"), "b")

    assert send_due() == SendResult(sent=1, postponed=1)
    assert [row.mailed_offset for row in Inbox.objects.order_by("user")] == [0, 1]


class FailsForAda(BaseEmailBackend):
    def send_messages(self, messages):
        if messages[0].to == ["ada@example.com"]:
            raise RuntimeError("An API of theirs")
        return 1


def test_sender_backs_off_while_the_server_is_down(server, ada):
    notify_all(ada, "a")
    server.stop()
    clock = SimpleNamespace(now=0.0)
    send = mail.SendDueWithBackoff(lambda: clock.now)
    tried = []

    for clock.now in range(0, 1_000, 10):
        end_waits()
        before = Inbox.objects.values_list("mail_attempt", flat=True).first() or 0
        send()
        if Inbox.objects.get().mail_attempt > before:
            tried.append(clock.now)
    server.start()
    clock.now = 2_000.0
    end_waits()
    send()
    notify_all(ada, "b")
    send()

    assert subjects(server) == ["a", "b"]
    server.stop()
    notify_all(ada, "c")
    send()
    server.start()
    end_waits()
    clock.now += 10
    send()

    assert tried == [0, 10, 30, 70, 150, 310, 610, 910]
    assert subjects(server) == ["a", "b", "c"]


# -- Not set up ----------------------------------------------------------------------------------


MISSING = {"EMAIL_BACKEND": letters.DUMMY_BACKEND, "SITE_URL": ""}


@pytest.mark.proves("no-mail-into-logs")
@pytest.mark.parametrize("name", MISSING)
def test_unconfigured_mail_keeps_notifications_for_a_day(server, ada, settings, caplog, name):
    wanted = getattr(settings, name)
    setattr(settings, name, MISSING[name])
    notify_all(ada, "old", "young")
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


def test_missing_site_url_is_reported(server, settings):
    del settings.SITE_URL

    with pytest.raises(NotSetUp, match=r"Set SITE_URL\.$"):
        send_due()


@pytest.mark.parametrize("name", MISSING)
def test_command_names_the_remedy_if_mail_is_not_configured(server, settings, name):
    setattr(settings, name, MISSING[name])

    with pytest.raises(CommandError, match=r"^E-mail is off: .* Set (EMAIL|SITE)_URL\.$"):
        call_command("mail_notifications")
