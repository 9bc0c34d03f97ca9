"""A project of somebody else's: other keys of users, below a path, compressed, in transactions.

`tests/grown` is that project. It has a database, a web server and a worker of its own.
"""

from __future__ import annotations

import gzip
import http.client
import json
import os
import re
import sys
from contextlib import closing, contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.contrib.admin.utils import quote
from websockets.sync.client import connect

from tests.conftest import VALKEY
from tests.services.waybill import HOST, Server, Worker
from tests.support.mailserver import MailServer
from tests.support.visitor import SUBPROTOCOL, Follower
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db

CSRF = "a" * 32
NAMES = {"uuid": "ann", "text": "ann+exports@example.com"}


class Grown:
    """The project, with what a test asks of it."""

    def __init__(self, run, kind, database, redis):
        self.run = run
        self.env = {
            "DJANGO_SETTINGS_MODULE": "tests.grown.settings",
            "USER_KEY": kind,
            "DATABASE_URL": database,
            "REDIS_URL": redis,
            "VAR_DIR": str(run.private_directory(f"grown-{kind}")),
        }
        self.name = NAMES[kind]
        self.manage("migrate")
        self.person = self.make(self.name)
        self.server = Server(run, self.env)
        self.worker = Worker(run, self.env)

    def command(self, *arguments, **env):
        env = {**self.env, **env}
        process = self.run.start("grown", [sys.executable, *arguments], env=env)
        assert process.wait() == 0, process.log_text()
        return process.log_text()

    def manage(self, *arguments, **env):
        return self.command("manage.py", *arguments, **env)

    def make(self, name):
        """A superuser of that name."""
        return json.loads(self.command("-m", "tests.grown.people", name).splitlines()[-1])

    @contextmanager
    def asking(self, path, method="GET", body=None, person=None, **headers):
        headers = {
            "Cookie": f"{(person or self.person)['cookie']}; csrftoken={CSRF}",
            "X-CSRFToken": CSRF,
            "Accept-Encoding": "gzip, deflate, br",
            **headers,
        }
        if isinstance(body, dict):
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        with closing(http.client.HTTPConnection(HOST, self.server.port, timeout=60)) as web:
            web.request(method, path, body, headers)
            yield web.getresponse()

    def ask(self, path, *arguments, **keywords):
        """The response and its content."""
        with self.asking(path, *arguments, **keywords) as response:
            content = response.read()
        if response.headers["Content-Encoding"] == "gzip":
            content = gzip.decompress(content)
        return response, content

    def page(self, path):
        response, content = self.ask(path)
        assert response.status == 200, content
        return content.decode()

    @contextmanager
    def following(self, stream, **headers):
        with connect(
            f"ws://{HOST}:{self.server.port}/sub/ws/streams/",
            subprotocols=[SUBPROTOCOL],
            additional_headers=headers,
            proxy=None,
        ) as socket:
            yield Follower(socket, {stream: None})

    def export(self):
        """The snapshot of an export that has succeeded."""
        asked = {"exporter": "people"}
        response, content = self.ask("/sub/rest/exports", "POST", asked)
        assert response.status == 202, content
        place = response.headers["Location"]
        return wait_until(lambda: self._finished(urlsplit(place).path), what="it has succeeded")

    def _finished(self, path):
        snapshot = json.loads(self.ask(path)[1])
        return snapshot if snapshot["status"] == "succeeded" else None

    def close(self):
        self.worker.kill()
        self.server.kill()


@pytest.fixture(scope="module", params=NAMES)
def grown(request, run, django_db_setup):
    valkey = request.config.stash[VALKEY]
    valkey.start()
    valkey.flush()  # Other tests may have left tasks there, for exports of other tables.
    database = make_database(run, request.param, request.config.getoption("--database"))
    grown = Grown(run, request.param, database, valkey.url)
    yield grown
    grown.close()


def make_database(run, kind, database):
    if database == "sqlite":
        return f"sqlite:///{run.private_directory('var') / f'grown-{kind}.sqlite3'}"
    url = urlsplit(os.environ["DATABASE_URL"])
    name = f"grown_{kind}_{os.getpid()}"
    with psycopg.connect(urlunsplit(url._replace(path="/postgres")), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    return urlunsplit(url._replace(path=f"/{name}"))


@pytest.mark.proves("any-user-key-works")
def test_user_with_any_key_is_live_over_a_socket(grown):
    signed_in = {
        "Cookie": grown.person["cookie"],
        "Origin": f"http://{HOST}:{grown.server.port}",
    }
    with grown.following(grown.person["stream"], **signed_in) as follower:
        follower.until(lambda frame: frame["type"] == "subscribed")
        export = grown.export()
        news = follower.until(
            lambda frame: (
                frame.get("event") == "export.succeeded" and frame["data"]["id"] == export["id"]
            )
        )

    welcome = follower.frames[0]
    assert (welcome["type"], welcome["user"]) == ("welcome", grown.person["key"])
    assert grown.person["stream"] in welcome["streams"]
    assert news["data"]["links"]["self"] == f"/sub/exports/{export['id']}/"


def test_token_authenticates_a_live_program(grown):
    token = {"Authorization": f"Bearer {grown.person['token']}"}
    with grown.following(grown.person["stream"], **token) as follower:
        follower.until(lambda frame: frame["type"] == "subscribed")


@pytest.mark.proves("works-with-atomic-requests")
@pytest.mark.parametrize("kind", ["", "/sse"])
def test_stream_works_with_atomic_requests_and_compression(grown, kind):
    with grown.asking(f"/sub/rest/streams/{grown.person['stream']}{kind}") as response:
        assert response.status == 200
        if kind:
            assert response.headers["Content-Encoding"] is None
            assert response.readline() == b"retry: 1000\n"


def test_download_below_a_path_is_complete(grown):
    export = grown.export()
    link = export["links"]["download"]

    whole, file = grown.ask(link)
    head, nothing = grown.ask(link, "HEAD")
    part, few = grown.ask(link, Range="bytes=2-9")

    assert link.startswith("/sub/rest/")
    assert (whole.status, head.status, part.status) == (200, 200, 206)
    assert {each.headers["Content-Encoding"] for each in (whole, head, part)} == {None}
    assert int(whole.headers["Content-Length"]) == len(file) == export["bytes"]
    assert (head.headers["Content-Length"], nothing) == (str(len(file)), b"")
    assert few == file[2:10]
    assert grown.person["key"] in file.decode()


@pytest.mark.proves("works-below-a-path")
def test_page_addresses_are_below_the_path(grown):
    export = grown.export()

    for path in [
        "/sub/exports/",
        f"/sub/exports/{export['id']}/",
        "/sub/exports/new/people/",
        "/sub/inbox/",
        "/sub/login/",
        "/sub/admin/exports/export/",
        f"/sub/admin/exports/export/{export['id']}/change/",
    ]:
        addresses = re.findall(r'(?:href|src|action|data-[a-z]+)="(/[^"]*)"', grown.page(path))
        assert [each for each in addresses if not f"{each}/".startswith("/sub/")] == [], path


def test_notification_email_links_below_the_path(grown):
    grown.export()
    page = grown.page("/sub/inbox/")
    form = f"csrfmiddlewaretoken={CSRF}&email=all"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    chosen, _ = grown.ask("/sub/inbox/preferences", "POST", form, **kind)
    read, _ = grown.ask("/sub/inbox/read", "POST", f"csrfmiddlewaretoken={CSRF}", **kind)

    assert (chosen.status, read.status) == (303, 303)
    assert "unread" in page
    export = grown.export()
    server = MailServer()
    server.start()
    try:
        said = grown.manage(
            "mail_notifications", EMAIL_URL=server.url, SITE_URL="https://example.com"
        )
    finally:
        server.stop()
    letters = [message.get_content() for message in server.messages]
    assert any(f"https://example.com/sub/exports/{export['id']}/" in each for each in letters), said


def test_command_exports_for_a_user_with_any_key(grown):
    said = grown.manage("export", "people", "--user", grown.name, "--output", "-")

    assert grown.person["key"] in said
    # It works in a thread, in which Django knows of no path.
    assert 'href="/exports/' not in grown.page("/sub/inbox/")


def test_superuser_deletes_a_user_who_has_used_all_features(grown):
    leaver = grown.make("leaver@example.com")
    asked = {"exporter": "people"}
    response, _ = grown.ask("/sub/rest/exports", "POST", asked, person=leaver)
    assert response.status == 202
    place = urlsplit(response.headers["Location"]).path
    wait_until(lambda: json.loads(grown.ask(place)[1])["status"] == "succeeded", what="it is done")
    grown.ask(f"{place}/file", person=leaver)
    app = f"by_{grown.env['USER_KEY']}"
    page = f"/sub/admin/{app}/person/{quote(leaver['key'])}/delete/"

    asked_before = grown.page(page)
    form = f"csrfmiddlewaretoken={CSRF}&post=yes"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    deleted, answer = grown.ask(page, "POST", form, **kind)

    assert "your account doesn" not in asked_before
    assert deleted.status == 302, answer
    assert grown.ask(place)[0].status == 404
