"""The log of an export as it is read: on its page, as text, over the API."""

from __future__ import annotations

import gzip
import re
from html import unescape

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import transaction
from django.test import AsyncClient, Client
from django.urls import reverse

from exports.log import read
from notifications.api import tokens
from notifications.models import Event, Stream
from notifications.streams import backlog, publish
from tests.support.starting import start_export

# The text is read by other threads.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user():
    return User.objects.create_superuser("somebody")


@pytest.fixture
def export(user):
    return start_export(user=user, exporter="flights", label="Flüge 2013")


@pytest.fixture
def api(user):
    return program(user)


def program(user):
    """With the user's token."""
    return Client(headers={"Authorization": f"Bearer {tokens.create(user)}"})


def write(export, *messages, level="INFO", **more):
    lines = [{"level": level, "message": each, "logger": "tests", **more} for each in messages]
    with transaction.atomic():
        publish.append_many(export.stream, [("log", line) for line in lines])


def tell(export):
    """Something that is on the stream, and is no line."""
    with transaction.atomic():
        publish.append(export.stream, "export.told", {})


def numbered(count, start=0):
    return [f"line <{n}>" for n in range(start, start + count)]


def page_of(client, export):
    return unescape(client.get(export.get_absolute_url()).content.decode())


def log_of(export):
    return f"/api/v1/exports/{export.pk}/log"


# -- On its page ------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, read.TAIL_LINES])
def test_short_log_is_complete_on_the_page(client, user, export, count):
    client.force_login(user)
    write(export, *numbered(count))

    page = page_of(client, export)

    assert re.findall(r"line <\d+>", page) == numbered(count)
    assert "data-earlier" not in page


def test_page_shows_the_tail_of_a_long_log_and_links_the_rest(client, user, export):
    client.force_login(user)
    write(export, *numbered(read.TAIL_LINES + 1))

    page = page_of(client, export)

    assert re.findall(r"line <\d+>", page) == numbered(read.TAIL_LINES, start=1)
    assert "Showing the latest lines." in page
    assert f'href="{reverse("exports:log_text", args=[export.pk])}"' in page
    assert f'data-log="{log_of(export)}"' in page


@pytest.mark.proves("whole-log-on-late-pages")
def test_page_and_api_together_have_every_line_once(client, user, export):
    """As the page's script puts it together."""
    client.force_login(user)
    write(export, *numbered(150))
    tell(export)
    write(export, *numbered(150, start=150))

    offsets = [
        int(each) for each in re.findall(r'<li data-offset="(\d+)"', page_of(client, export))
    ]
    before = [
        line["message"]
        for line in client.get(log_of(export)).json()["lines"]
        if line["offset"] < offsets[0]
    ]

    assert before == numbered(300 - read.TAIL_LINES)
    assert offsets == sorted(offsets)
    assert len(offsets) == read.TAIL_LINES


def test_line_of_a_later_attempt_shows_its_worker(client, user, export):
    client.force_login(user)
    write(export, "going on")
    write(export, "going on", worker="w2", attempt=2)

    titles = re.findall(r'title="([^"]*)">going on', page_of(client, export))

    assert titles == ["tests", "tests · w2 #2"]


@pytest.mark.proves("whole-log-on-late-pages")
def test_line_written_during_rendering_is_left_to_the_socket(client, user, export, monkeypatch):
    client.force_login(user)
    write(export, "early")

    def then_a_line_comes(stream):
        cursor = backlog.current_cursor(stream)
        write(export, "late")
        return cursor

    monkeypatch.setattr("exports.views.export.current_cursor", then_a_line_comes)

    page = page_of(client, export)

    assert "early</span>" in page
    assert "late</span>" not in page


def test_control_characters_are_shown_as_symbols(client, user, export):
    client.force_login(user)
    write(export, "a\x1b[31mb\x00c\r\nd\te\u2028f")

    assert "a␛[31mb\ufffdc\nd\te\ufffdf</span>" in page_of(client, export)


# -- As text ----------------------------------------------------------------------------


async def text_of(client, url, **headers):
    response = await client.get(url, headers=headers)
    assert response.status_code == 200, response.content
    return response, b"".join([part async for part in response])


async def test_text_of_the_log_has_every_line_once_in_order(user, export):
    count = 2 * read.TEXT_LINES + 500  # More than is read at once, and an odd rest.
    await sync_to_async(write)(export, *numbered(count))
    await sync_to_async(write)(export, "failed\nTraceback", level="ERROR", worker="w2", attempt=2)
    client = AsyncClient()
    await client.aforce_login(user)

    response, text = await text_of(client, reverse("exports:log_text", args=[export.pk]))

    lines = text.decode().splitlines()
    times = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z "
    assert [re.sub(times, "", line) for line in lines[:count]] == [
        f"INFO {message}" for message in numbered(count)
    ]
    assert re.fullmatch(f"{times}ERROR failed \\[w2 #2\\]", lines[count])
    assert lines[count + 1 :] == ["    Traceback"]
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cache-Control"] == "private, no-cache"
    assert (
        response["Content-Disposition"]
        == "attachment; filename=\"Fluge 2013.log.txt\"; filename*=UTF-8''Fl%C3%BCge%202013.log.txt"
    )


async def test_text_of_an_empty_or_full_page_log_ends(user, export):
    client = AsyncClient()
    await client.aforce_login(user)
    url = reverse("exports:log_text", args=[export.pk])

    assert (await text_of(client, url))[1] == b""
    await sync_to_async(write)(export, *numbered(read.TEXT_LINES))
    assert (await text_of(client, url))[1].count(b"\n") == read.TEXT_LINES


def test_head_of_the_log_has_the_headers_of_the_text(client, user, export):
    client.force_login(user)

    response = client.head(reverse("exports:log_text", args=[export.pk]))

    assert (response.status_code, response.content) == (200, b"")
    assert "Flüge 2013" not in response["Content-Disposition"]
    assert response["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("encoding", ["", "gzip"])
async def test_api_sends_the_log_as_one_text_when_preferred(user, export, encoding):
    """Django would compress each block by itself, and browsers would read the first only."""
    await sync_to_async(write)(export, *numbered(read.TEXT_LINES + 1))
    client = AsyncClient()
    await client.aforce_login(user)
    headers = {"Accept": "text/plain, application/json;q=0.5", "Accept-Encoding": encoding}

    response, text = await text_of(client, log_of(export), **headers)

    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert "Content-Encoding" not in response
    assert "Accept" in response["Vary"].split(", ")
    assert text.count(b"\n") == read.TEXT_LINES + 1


# -- Over the API -----------------------------------------------------------------------


def test_api_returns_lines_page_by_page(api, export):
    write(export, *numbered(3))
    tell(export)
    write(export, *numbered(2, start=3), level="ERROR", worker="w2", attempt=2)
    lines, after, pages = [], {}, 0

    while True:
        answer = api.get(log_of(export), {**after, "limit": 2}).json()
        lines += answer["lines"]
        pages += 1
        after = {"after": answer["cursor"]}
        if not answer["more"]:
            break

    events = Event.objects.filter(stream__name=export.stream, type="log").order_by("offset")
    bare = {"worker": None, "attempt": None}
    assert lines == [
        {"offset": each.offset, "at": each.at.isoformat(), **bare, **each.data} for each in events
    ]
    assert [line["message"] for line in lines] == numbered(5)
    assert [line["attempt"] for line in lines] == [None, None, None, 2, 2]
    assert (pages, answer["reset"], answer["stream"]) == (3, None, export.stream)


def test_last_cursor_continues_here_and_on_the_stream(api, export):
    write(export, *numbered(3))
    tell(export)

    cursor = api.get(log_of(export)).json()["cursor"]
    write(export, "later")

    more = api.get(log_of(export), {"after": cursor}).json()
    assert [line["message"] for line in more["lines"]] == ["later"]
    frames = api.get(f"/api/v1/streams/{export.stream}", {"after": cursor}).json()["frames"]
    events = [frame for frame in frames if frame["type"] == "event"]
    assert [event["data"].get("message") for event in events] == ["later"]


def test_line_written_during_the_read_is_returned_once(api, export, monkeypatch):
    write(export, "first")
    real = backlog._events

    def then_one_more(*args, **more):
        monkeypatch.setattr(backlog, "_events", real)
        write(export, "meanwhile")
        tell(export)
        return real(*args, **more)

    monkeypatch.setattr(backlog, "_events", then_one_more)

    first = api.get(log_of(export)).json()
    second = api.get(log_of(export), {"after": first["cursor"]}).json()

    assert [each["message"] for each in first["lines"]] == ["first", "meanwhile"]
    assert second["lines"] == []


def test_invalid_cursor_restarts_the_log_and_says_so(api, export):
    write(export, *numbered(3))
    cursor = api.get(log_of(export), {"limit": 2}).json()["cursor"]
    stream = Stream.objects.filter(name=export.stream)

    stream.update(floor=stream.get().head)
    pruned = api.get(log_of(export), {"after": cursor}).json()
    stream.update(epoch="another", floor=0)
    other = api.get(log_of(export), {"after": cursor}).json()

    assert (pruned["reset"], pruned["lines"]) == ("pruned", [])
    assert other["reset"] == "epoch"
    assert [line["message"] for line in other["lines"]] == numbered(3)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"after": "nonsense"}, "after"),
        ({"after": "latest"}, "after"),
        ({"after": "a\0.1.1"}, "after"),
        ({"limit": 0}, "query.limit"),
        ({"limit": read.MAX_LINES + 1}, "query.limit"),
    ],
)
def test_invalid_query_parameter_is_named(api, export, query, field):
    response = api.get(log_of(export), query)

    assert (response.status_code, response["Content-Type"]) == (422, "application/problem+json")
    assert field.endswith(response.json()["field"])


def test_foreign_log_looks_missing(export):
    other = program(User.objects.create_user("other"))

    for accept in ("application/json", "text/plain"):
        assert other.get(log_of(export), headers={"Accept": accept}).status_code == 404
    assert Client().get(log_of(export)).status_code == 401


def test_long_response_is_compressed_on_request(api, export):
    write(export, *numbered(500))

    plain = api.get(log_of(export))
    small = api.get(log_of(export), headers={"Accept-Encoding": "gzip"})

    assert small["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.content) == plain.content
    assert len(small.content) < len(plain.content) / 5


def test_openapi_document_has_json_and_text_for_the_log(api):
    answers = api.get("/api/openapi.json").json()["paths"]
    content = answers["/api/v1/exports/{export_id}/log"]["get"]["responses"]["200"]["content"]

    assert set(content) == {"application/json", "text/plain"}
