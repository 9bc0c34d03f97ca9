"""A web process gives back every connection to the database, and says when it gets none."""

from __future__ import annotations

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, connections, transaction

from exports.models import Export
from exports.status import Status
from tests.services.waybill import HOST
from tests.support.signing_in import session_cookie
from tests.support.waiting import wait_until

pytestmark = pytest.mark.only_on("postgres")

NAME = "web-under-test"  # as PostgreSQL lists its connections
POOL = 5
AT_ONCE = 10  # more than the threads in which Django makes pages for errors
MADE_UP = (settings.SESSION_COOKIE_NAME, "x" * 32)
TOO_MANY_FIELDS = urlencode([(f"field{number}", "") for number in range(1001)])


class Asker:
    """Requests to one server, each over a connection of its own."""

    def __init__(self, server, cookie):
        self._port = server.port
        self._cookie = f"{'='.join(cookie)}; {settings.CSRF_COOKIE_NAME}={'x' * 32}"

    def open(self, method, path, body=None):
        asked = http.client.HTTPConnection(HOST, self._port, timeout=60)
        headers = {"Cookie": self._cookie}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        asked.request(method, path, body, headers)
        return asked

    def ask(self, method, path, body=None):
        with closing(self.open(method, path, body)) as asked:
            answer = asked.getresponse()
            return answer.status, answer.read().decode()

    def statuses(self, method, path, body=None, count=30):
        """What is answered to `count` requests, so many at once that all threads are used."""
        with ThreadPoolExecutor(AT_ONCE) as threads:
            answers = threads.map(lambda _: self.ask(method, path, body), range(count))
            return {status for status, _ in answers}


@pytest.fixture
def ada(transactional_db):
    return User.objects.create_superuser("ada")


@pytest.fixture
def export(ada):
    """One that its owner alone may see, with a log."""
    return Export.objects.create(
        owner=ada, exporter="flights", label="Flights", format="csv", status=Status.FAILED
    )


@pytest.fixture
def start_web(start_web, production):
    def start(pool, **env):
        return start_web(
            **{**production, "DATABASE_POOL_SIZE": str(pool), "PGAPPNAME": NAME, **env}
        )

    return start


def connected(condition="true"):
    """How many connections the web process has, of those that meet an SQL `condition`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # A transaction sees an old list.
        cursor.execute(
            f"SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND {condition}",
            [NAME],
        )
        return cursor.fetchone()[0]


def waiting():
    """How many of its connections wait for a lock."""
    return connected("wait_event_type = 'Lock'")


@pytest.mark.proves("responses-keep-no-connection")
def test_error_pages_do_not_exhaust_the_pool(start_web, ada):
    web = start_web(POOL)
    guest = User.objects.create_user("guest")
    shared = Export.objects.create(owner=guest, exporter="flights", label="F", format="csv")
    nobody, somebody = Asker(web, MADE_UP), Asker(web, session_cookie(ada))

    assert nobody.statuses("GET", "/nope") == {404}
    assert somebody.statuses("GET", "/nope") == {404}
    assert Asker(web, session_cookie(guest)).statuses(
        "GET", f"{shared.get_absolute_url()}file"
    ) == {403}
    assert nobody.statuses("POST", "/language/", TOO_MANY_FIELDS) == {400}
    assert nobody.statuses("POST", "/language/", "") == {403}

    assert somebody.statuses("GET", "/exports/", count=POOL) == {200}


def test_development_error_pages_do_not_exhaust_the_pool(start_web, ada):
    """They name the user, whom Django looks up in the thread that renders the page."""
    web = start_web(POOL, DEBUG="1")
    nobody, somebody = Asker(web, MADE_UP), Asker(web, session_cookie(ada))

    assert nobody.statuses("POST", "/language/", TOO_MANY_FIELDS) == {400}

    assert somebody.statuses("GET", "/exports/", count=POOL) == {200}


@pytest.mark.proves("error-pages-need-no-database")
def test_error_pages_outlive_a_restart_of_postgres(start_web, postgres, ada):
    web = start_web(0)
    guest = Asker(web, session_cookie(User.objects.create_user("guest")))
    shared = Export.objects.create(
        owner=User.objects.get(username="guest"), exporter="flights", label="F", format="csv"
    )
    forbidden = f"{shared.get_absolute_url()}file"
    for path, status in ("/nope", 404), (forbidden, 403):
        assert guest.statuses("GET", path) == {status}

    postgres.stop()
    during = guest.statuses("GET", "/nope")
    postgres.start()
    connections.close_all()

    assert during == {404}
    for path, status in ("/nope", 404), (forbidden, 403):
        assert guest.statuses("GET", path) == {status}


@pytest.mark.proves("responses-keep-no-connection")
def test_responses_leave_no_connection_open(start_web, ada, export):
    web = start_web(0)
    somebody, nobody = Asker(web, session_cookie(ada)), Asker(web, MADE_UP)
    asked = [
        ("GET", "/exports/"),
        ("GET", "/nope"),
        ("GET", export.get_absolute_url()),
        ("GET", f"{export.get_absolute_url()}file"),
        ("GET", "/exports/new/flights/"),
        ("GET", "/admin/"),
        ("GET", "/admin/nope/"),
        ("GET", "/api/v1/exports"),
        ("GET", "/api/v1/nope"),
        ("GET", "/api/v1/exports?limit=x"),
        ("GET", "/health/ready"),
        ("POST", "/language/"),
        ("POST", "/exports/new/flights/"),
    ]
    for method, path in asked:
        for asker in somebody, nobody:
            asker.statuses(method, path, "" if method == "POST" else None, count=AT_ONCE)

    wait_until(lambda: connected() == 0, timeout=5, what="every connection is closed")


@pytest.mark.proves("responses-keep-no-connection")
def test_client_that_leaves_does_not_exhaust_the_pool(start_web, ada):
    """Daphne gives up its request after ten seconds, and again each second, while it waits."""
    web = start_web(2, DATABASE_LOCK_TIMEOUT="2min")
    somebody = Asker(web, session_cookie(ada))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE exports_export IN ACCESS EXCLUSIVE MODE")
        for asked in [somebody.open("GET", "/exports/") for _ in range(2)]:
            wait_until(waiting, what="the page waits")
            asked.close()
        given_up = "took too long to shut down and was killed"
        wait_until(lambda: web.log_text().count(given_up) >= 2, what="both are given up")

    assert somebody.statuses("GET", "/exports/", count=4) == {200}


@pytest.mark.proves("responses-keep-no-connection")
def test_stream_keeps_no_connection_of_its_request(start_web, ada, export):
    web = start_web(0, NOTIFICATIONS_DATABASE_THREADS="2")
    somebody = Asker(web, session_cookie(ada))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE notifications_event IN ACCESS EXCLUSIVE MODE")
        asked = [somebody.open("GET", f"{export.get_absolute_url()}log.txt") for _ in range(2)]
        wait_until(lambda: waiting() == 2, what="both are read in the threads of streams")

        wait_until(lambda: connected() == 2, timeout=5, what="those of the requests are closed")

    for each in asked:
        assert each.getresponse().status == 200
        each.close()


def live(web):
    status, body = Asker(web, MADE_UP).ask("GET", "/health/live")
    return status, json.loads(body)


@pytest.mark.proves("responses-keep-no-connection")
def test_health_reports_an_exhausted_pool(start_web, ada):
    web = start_web(2)
    web.inside("?limit=12&hold=2")
    begin = time.monotonic()
    somebody = Asker(web, session_cookie(ada))

    assert somebody.ask("GET", "/exports/")[0] == 500
    assert live(web)[0] == 200
    _, body = wait_until(lambda: live(web)[0] == 503 and live(web), what="503")
    assert time.monotonic() - begin >= 12
    assert body["status"] == "no connections"
    assert "this process has got no connection" in body["reason"]

    web.inside("?hold=0")
    wait_until(lambda: live(web)[0] == 200, what="health is good again")
    assert somebody.ask("GET", "/exports/")[0] == 200


@pytest.mark.proves("responses-keep-no-connection")
@pytest.mark.parametrize("pool", [0, 2], ids=["unpooled", "pooled"])
def test_health_does_not_blame_the_process_for_a_database_outage(start_web, postgres, ada, pool):
    web = start_web(pool)
    web.inside("?limit=6")
    somebody = Asker(web, session_cookie(ada))
    assert somebody.statuses("GET", "/exports/", count=4) == {200}
    begin = time.monotonic()
    postgres.stop()
    assert somebody.statuses("GET", "/exports/", count=4) == {500}

    seen = set()

    def is_served():
        seen.add(live(web)[0])
        return somebody.ask("GET", "/exports/")[0] == 200

    # By then a pool that doubles its pauses would next try after half a minute.
    wait_until(lambda: not is_served() and time.monotonic() > begin + 18, what="a while")
    postgres.start()
    connections.close_all()
    begin = time.monotonic()
    wait_until(is_served, what="pages are back")
    assert time.monotonic() - begin < 7
    assert live(web)[0] == 200
    assert seen == {200}
