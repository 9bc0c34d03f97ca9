"""Streams and tokens in the admin: to look at, and a token to revoke."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.test import Client

from notifications import admin as notifications_admin
from notifications.api import tokens
from notifications.inbox import inbox
from notifications.models import Event, Inbox, Retained, Stream, Token
from notifications.streams import publish

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def streams():
    with transaction.atomic():
        publish.append("export-1", "log", {"message": "Part 1 is <done>"})
        publish.append("user-7", "export.succeeded", {"label": "Flights"})
        publish.retain("user-7", "export-1", {"rows_done": 5})


def found(client, path, words=""):
    return [str(each) for each in client.get(path, {"q": words}).context["cl"].result_list]


def test_events_are_found_by_stream_and_type(operator):
    assert found(operator, "/admin/notifications/event/", "export-1") == ["log #1"]
    assert found(operator, "/admin/notifications/event/", "succeeded") == ["export.succeeded #1"]
    assert found(operator, "/admin/notifications/stream/", "user-7") == ["user-7"]
    assert found(operator, "/admin/notifications/retained/", "user-7") == ["export-1 r1"]


def test_text_of_an_event_is_escaped(operator):
    event = Event.objects.get(type="log")

    page = operator.get(f"/admin/notifications/event/{event.pk}/change/").content.decode()

    assert "Part 1 is &lt;done&gt;" in page


@pytest.mark.parametrize("model", [Stream, Event, Retained])
def test_streams_and_events_are_read_only_in_the_admin(operator, model):
    row = model.objects.first()
    base = f"/admin/notifications/{model._meta.model_name}/"

    assert operator.get(f"{base}{row.pk}/change/").status_code == 200
    assert operator.get(f"{base}add/").status_code == 403
    assert operator.post(f"{base}{row.pk}/change/", {}).status_code == 403
    assert operator.post(f"{base}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert model.objects.filter(pk=row.pk).exists()


def test_token_is_revoked_by_deleting_it(operator):
    user = User.objects.create_user("program")
    secret = tokens.create(user, "nightly export")
    token = Token.objects.get()
    base = "/admin/notifications/token/"

    listed = operator.get(base).content.decode()
    page = operator.get(f"{base}{token.pk}/change/").content.decode()

    assert "nightly export" in listed
    assert token.digest not in listed + page
    assert operator.get(f"{base}add/").status_code == 403
    assert operator.post(f"{base}{token.pk}/delete/", {"post": "yes"}).status_code == 302
    assert tokens.user_of(secret) is None


@pytest.fixture
def reader():
    user = User.objects.create_user("reader")
    with transaction.atomic():
        inbox.notify(user, "Ready")
    inbox.mark_read(user)
    return user


def test_inbox_is_read_only_in_the_admin(operator, reader):
    base = f"/admin/notifications/inbox/{Inbox.objects.get().pk}"

    assert found(operator, "/admin/notifications/inbox/", "reader") == ["inbox of reader"]
    assert operator.get(f"{base}/change/").status_code == 200
    assert operator.post(f"{base}/change/", {"read_offset": 0}).status_code == 403
    assert operator.get("/admin/notifications/inbox/add/").status_code == 403


def test_inbox_cannot_be_deleted_without_its_user(operator, reader):
    row = Inbox.objects.get()
    pages = "/admin/notifications/inbox/"
    chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}

    assert "deletelink" not in operator.get(f"{pages}{row.pk}/change/").content.decode()
    assert operator.post(f"{pages}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    operator.post(pages, chosen)
    assert Inbox.objects.get() == row


@pytest.mark.parametrize("path", ["{pk}/delete/", ""])
def test_inbox_is_deleted_with_its_user(operator, reader, path):
    chosen = {"action": "delete_selected", "_selected_action": [reader.pk], "post": "yes"}

    deleted = operator.post(f"/admin/auth/user/{path.format(pk=reader.pk)}", chosen)

    assert deleted.status_code == 302
    assert not User.objects.filter(pk=reader.pk).exists()
    assert not Inbox.objects.exists()


def test_deleting_a_user_with_an_inbox_needs_both_permissions(reader):
    staff = User.objects.create_user("staff", is_staff=True)
    staff.user_permissions.add(*Permission.objects.filter(codename="delete_user"))
    client = Client()
    client.force_login(staff)

    client.post(f"/admin/auth/user/{reader.pk}/delete/", {"post": "yes"})

    assert Inbox.objects.filter(user=reader).exists()


# -- What events say --------------------------------------------------------------------------


def say(stream, *messages):
    with transaction.atomic():
        publish.append_many(stream, [("log", {"message": message}) for message in messages])


def test_event_search_finds_words_of_the_data(operator):
    say("export-2", "The disk is full", "Zürich is written")
    pages = "/admin/notifications/event/"

    assert found(operator, pages, "DISK") == ["log #1"]
    assert found(operator, pages, "Zürich") == ["log #2"]
    assert found(operator, pages, "export-2 disk") == ["log #1"]
    assert found(operator, pages, "export-1 disk") == []


def test_search_without_a_stream_reads_the_newest_events_only(operator, monkeypatch):
    monkeypatch.setattr(notifications_admin, "MAX_SEARCHED", 2)
    say("export-2", "a needle", "hay", "hay")
    pages = "/admin/notifications/event/"

    assert found(operator, pages, "needle") == []
    assert found(operator, pages, "hay") == ["log #3", "log #2"]
    assert found(operator, pages, "export-2 needle") == ["log #1"]
    assert found(operator, pages, "succeeded") == ["export.succeeded #1"]


def test_list_shows_the_beginning_of_the_data(operator):
    say("export-2", "x" * 500)

    listed = operator.get("/admin/notifications/event/").content.decode()

    assert f"{'x' * 119}…" in listed
    assert "x" * 120 not in listed
    assert "{&quot;label&quot;: &quot;Flights&quot;}" in listed


def test_stream_links_its_events_and_values(operator):
    listed = operator.get("/admin/notifications/stream/").content.decode()

    for url in re.findall(r'href="([^"]*\?q=user-7)"', listed):
        assert len(operator.get(url).context["cl"].result_list) == 1
    assert len(re.findall(r"\?q=user-7", listed)) == 2
