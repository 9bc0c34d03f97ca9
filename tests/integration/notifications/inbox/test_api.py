"""The inbox over HTTP: the API for scripts and programs, and pages that need neither."""

from __future__ import annotations

import re

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from notifications.api import tokens
from notifications.inbox import inbox, types
from notifications.inbox.inbox import State
from notifications.models import Inbox, Mailing
from notifications.streams import publish
from notifications.streams.access import user_stream
from tests.support.pages import text_of

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = reverse("notifications:inbox")


@pytest.fixture
def client(user):
    client = Client()
    client.force_login(user)
    return client


@transaction.atomic
def tell(user, *titles, **more):
    return [inbox.notify(user, title, **more).offset for title in titles]


def get(client, path="", **query):
    response = client.get(f"/api/v1/inbox{path}", query)
    assert response.status_code == 200, response.content
    return response.json()


def post(client, body, **headers):
    return client.post("/api/v1/inbox/read", body, "application/json", headers=headers)


# -- The API -----------------------------------------------------------------------------------


def test_inbox_has_a_cursor_to_follow(client, user):
    tell(user, "Ready", body="All of it.", url="/reports/7/", level="success")

    answer = get(client)

    [item] = answer.pop("items")
    assert item.pop("at").endswith("+00:00")
    assert item == {
        "offset": 1,
        "type": "notification",
        "title": "Ready",
        "body": "All of it.",
        "url": "/reports/7/",
        "level": "success",
        "read": False,
    }
    epoch, offset, revision = answer.pop("cursor").split(".")
    assert (len(epoch), offset, revision) == (12, "1", "0")
    assert answer == {
        "read_offset": 0,
        "unread": 1,
        "head": 1,
        "types": [
            "export.failed",
            "export.succeeded",
            "notification",
            "signin.failed",
            "token.expiring",
        ],
        "next": None,
    }


def test_program_reads_all_pages_with_its_token(user):
    tell(user, *"abcde")
    program = Client(headers={"Authorization": f"Bearer {tokens.create(user)}"})

    first = get(program, limit=3)
    second = get(program, limit=3, before=first["next"])

    items = [*first["items"], *second["items"]]
    assert [item["title"] for item in items] == ["e", "d", "c", "b", "a"]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ({"up_to": 2}, {"read_offset": 2, "unread": 1, "head": 3}),
        ({"up_to": None}, {"read_offset": 3, "unread": 0, "head": 3}),
        ({"up_to": 99}, {"read_offset": 3, "unread": 0, "head": 3}),
        ({"up_to": 0}, {"read_offset": 0, "unread": 3, "head": 3}),
    ],
)
def test_read_request_returns_the_new_state(client, user, body, state):
    tell(user, "a", "b", "c")

    response = post(client, body)

    assert (response.status_code, response.json()) == (200, state)
    assert get(client)["unread"] == state["unread"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "up_to"),
        ({"up_to": -1}, "up_to"),
        ({"up_to": 2**63}, "up_to"),
        ({"up_to": "all"}, "up_to"),
        ({"up_to": 1, "upto": 1}, "upto"),
    ],
)
def test_invalid_reading_is_named_and_changes_nothing(client, user, body, field):
    tell(user, "a")

    response = post(client, body)

    assert (response.status_code, response.json()["field"]) == (422, field)
    assert response["Content-Type"] == "application/problem+json"
    assert get(client)["unread"] == 1


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 101}, {"before": -1}, {"before": 2**63}, {"before": "x"}]
)
def test_invalid_page_is_named(client, query):
    response = client.get("/api/v1/inbox", query)

    assert (response.status_code, response.json()["field"]) == (422, next(iter(query)))


def test_default_preference_is_all_until_changed(client, user):
    before = get(client, "/preferences")
    response = client.patch("/api/v1/inbox/preferences", {"email": "failures"}, "application/json")

    assert before == {"email": "all"}
    assert (response.status_code, response.json()) == (200, {"email": "failures"})
    assert get(client, "/preferences") == {"email": "failures"}
    assert inbox.mailing(user) == Mailing.FAILURES


def test_unknown_preference_is_refused(client, user):
    response = client.patch("/api/v1/inbox/preferences", {"email": "some"}, "application/json")

    assert (response.status_code, response.json()["field"]) == (422, "email")
    assert inbox.mailing(user) == Mailing.ALL


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/inbox"),
        ("post", "/inbox/read"),
        ("get", "/inbox/preferences"),
        ("patch", "/inbox/preferences"),
    ],
)
def test_inbox_needs_authentication(method, path):
    response = getattr(Client(), method)(f"/api/v1{path}")

    assert response.status_code == 401
    assert response["Content-Type"] == "application/problem+json"


def test_cross_site_request_reads_nothing(user):
    tell(user, "a")
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)

    assert post(client, {"up_to": None}).status_code == 403
    assert inbox.page(user).state.unread == 1


# -- Pages without a script --------------------------------------------------------------------


def test_inbox_page_escapes_text_and_shows_links(client, user):
    tell(user, "<b>Ready</b>", body="First line.\nSecond <i>line</i>.", url="/reports/7/?a=1&b=2")

    response = client.get(PAGE)

    html = response.content.decode()
    assert "<b>Ready" not in html
    assert "<i>line" not in html
    assert "<b>Ready</b>" in text_of(response)
    assert 'href="/reports/7/?a=1&amp;b=2"' in html
    assert set(response["Cache-Control"].split(", ")) == {"private", "no-cache"}


def test_empty_inbox_says_so(client):
    assert "Notifications will appear here." in text_of(client.get(PAGE))


def test_older_notifications_are_on_the_next_page(client, user):
    tell(user, *(f"number {number}" for number in range(1, 61)))

    newest = client.get(PAGE)
    link = re.search(r'href="(\?before=\d+)"', newest.content.decode())[1]
    older = client.get(f"{PAGE}{link}")

    assert "number 60" in text_of(newest)
    assert [entry.notice.title for entry in older.context["page"].entries] == [
        f"number {number}" for number in range(10, 0, -1)
    ]
    assert 'href="?before=' not in older.content.decode()


@pytest.mark.parametrize("before", ["x", "-1", str(2**63)])
def test_invalid_page_link_leads_to_the_newest(client, user, before):
    tell(user, "a")

    response = client.get(PAGE, {"before": before})

    assert [entry.notice.title for entry in response.context["page"].entries] == ["a"]


@pytest.mark.parametrize(("up_to", "unread"), [("", 0), ("2", 1)])
def test_button_marks_as_read_and_returns(client, user, up_to, unread):
    tell(user, "a", "b", "c")

    response = client.post(reverse("notifications:read"), {"up_to": up_to})

    assert (response.status_code, response["Location"]) == (303, PAGE)
    assert inbox.page(user).state.unread == unread


def test_read_all_button_spares_newer_notifications(client, user):
    tell(user, "a", "b")
    html = client.get(PAGE).content.decode()
    tell(user, "c")

    up_to = re.search(r'name="up_to" value="(\d+)"', html)[1]
    client.post(reverse("notifications:read"), {"up_to": up_to})

    assert inbox.page(user).state == State(read_offset=2, unread=1, head=3)


def test_form_saves_themail_preference_and_language(client, user):
    response = client.post(reverse("notifications:preferences"), {"email": "none"})

    assert (response.status_code, response["Location"]) == (303, PAGE)
    row = Inbox.objects.get()
    assert (row.email, row.language) == (Mailing.NONE, "en")
    selected = re.search(r'<option value="(\w+)" selected', client.get(PAGE).content.decode())
    assert selected[1] == "none"


@pytest.mark.parametrize(
    ("name", "sent"),
    [("read", {"up_to": "x"}), ("preferences", {"email": "some"}), ("preferences", {})],
)
def test_invalid_form_changes_nothing(client, user, name, sent):
    tell(user, "a")

    response = client.post(reverse(f"notifications:{name}"), sent)

    assert response.status_code == 422
    assert inbox.page(user).state.unread == 1
    assert inbox.mailing(user) == Mailing.ALL


@pytest.mark.parametrize("name", ["read", "preferences"])
def test_get_request_changes_nothing(client, user, name):
    tell(user, "a")

    response = client.get(reverse(f"notifications:{name}"), {"up_to": 1, "email": "none"})

    assert (response.status_code, response["Location"]) == (303, PAGE)
    assert inbox.page(user).state.unread == 1


@pytest.mark.parametrize("name", ["inbox", "read", "preferences"])
def test_anonymous_user_is_sent_to_the_login_page(name):
    url = reverse(f"notifications:{name}")

    response = Client().get(url)

    assert (response.status_code, response["Location"]) == (302, f"{reverse('login')}?next={url}")


# -- What exports say --------------------------------------------------------------------------

SNAPSHOT = {
    "label": "Flights",
    "exporter": "flights",
    "rows_done": 336_776,
    "bytes": 30_000_000,
    "error": "",
    "links": {"self": "/exports/1/", "download": None},
}


@transaction.atomic
def finish(user, event, **changed):
    publish.append(user_stream(user), event, {**SNAPSHOT, **changed})


def only_entry(user):
    [entry] = inbox.page(user).entries
    return entry.notice


@pytest.mark.proves("notifications-follow-commits")
def test_finished_export_is_a_notification(user):
    finish(user, "export.succeeded")

    assert only_entry(user) == types.Notice(
        "“Flights” is ready.", "336,776 rows, 28.6\N{NO-BREAK SPACE}MB.", "/exports/1/", "success"
    )


def test_failed_export_is_a_notification_with_its_reason(user):
    finish(user, "export.failed", error="The disk\nis full.")

    assert only_entry(user) == types.Notice(
        "“Flights” has failed.", "The disk\nis full.", "/exports/1/", "error"
    )


@pytest.mark.parametrize(
    ("label", "title"),
    [
        ("Two\n lines\x07", "“Two lines” is ready."),
        ("\N{NO-BREAK SPACE}\t", "“flights” is ready."),
        ("x" * 200, f"“{'x' * 200}” is ready."),
    ],
)
def test_notification_of_any_label_is_one_line(user, label, title):
    finish(user, "export.succeeded", label=label)

    assert only_entry(user).title == title


@pytest.mark.parametrize("event", ["export.queued", "export.started", "export.cancelled"])
def test_own_actions_are_no_notifications(user, event):
    finish(user, event)

    assert inbox.page(user).entries == []
