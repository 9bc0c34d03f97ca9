"""A web process goes away: its clients come back, with what they missed."""

from __future__ import annotations

import threading
import time
import urllib.request

import pytest
from django.contrib.auth.models import User

from notifications.api import tokens
from notifications.streams import backlog
from tests.faults.crowd import Crowd
from tests.services import nginx
from tests.support.waiting import wait_until

CLIENTS = 6
CROWD, USERS = 200, 10


@pytest.mark.proves("web-restart-costs-a-reconnect")
@pytest.mark.skipif(not nginx.IS_AVAILABLE, reason="nginx's wheel is for Linux")
def test_clients_of_a_killed_web_process_continue_at_another(run, stage, start_web):
    lost, other = start_web(), start_web()
    proxy = nginx.Nginx(run, [lost.port, other.port])
    stage.follow(proxy, CLIENTS)
    stage.publish()
    stage.seconds_until_level()
    at_lost = lost.inside().stream_tasks["stream-pump"]
    assert 0 < at_lost < CLIENTS

    lost.kill()
    stage.seconds_until_level()

    stage.end()
    assert other.inside().stream_tasks["stream-pump"] == CLIENTS
    assert sum(each.handshakes > 1 for each in stage.clients) == at_lost
    assert other.unexpected() == []
    proxy.stop()


@pytest.fixture
def web(start_web):
    # With the pool that web processes have in production.
    return start_web(DATABASE_POOL_SIZE="4", NOTIFICATIONS_MAX_CONNECTIONS=str(2 * CROWD // USERS))


@pytest.fixture
def crowd(run, web, stage, ada):
    """Pages of several users, all of whom follow the two teams."""
    teams = [name for name in stage.streams if name.startswith("team")]
    stage.streams = teams
    users = [User.objects.create_user(f"user {number}") for number in range(USERS)]
    for user in users:
        user.groups.set(ada.groups.all())
    pages = [tokens.create(user) for user in users] * (CROWD // USERS)
    crowd = Crowd(run, web, teams, pages)
    wait_until(crowd.all_live, timeout=120, what="the crowd is live")
    yield crowd
    crowd.process.kill()


class Passer:
    """Asks for a page again and again, in a thread, and keeps how long each answer took."""

    def __init__(self, url):
        self._url = url
        self._took = []
        self._error = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def longest(self):
        """Stop, and say how long the slowest answer took. Raises what went wrong."""
        self._is_over.set()
        self._thread.join(60)
        if self._error:
            raise self._error
        return max(self._took)

    def _run(self):
        while not self._is_over.wait(0.1):
            begin = time.monotonic()
            try:
                with urllib.request.urlopen(self._url, timeout=30) as answer:
                    answer.read()
            except OSError as error:
                self._error = error
                return
            self._took.append(time.monotonic() - begin)


@pytest.mark.proves("web-restart-costs-a-reconnect")
def test_reconnects_after_a_restart_are_spread_over_time(stage, web, crowd, record_property):
    stage.follow(web)
    stage.publish(1, "--pause", "0.25")  # For each of these some hundred frames are sent.
    stage.seconds_until_level()
    before = [len(page.begun) for page in crowd.pages()]

    begin = time.monotonic()
    web.restart()
    passer = Passer(f"{web.url}/login/")
    record_property("start of the web process", f"{time.monotonic() - begin:.1f} s")
    wait_until(crowd.all_live, timeout=120, what="the crowd is live again")
    record_property("everybody is live again after", f"{time.monotonic() - begin:.1f} s")
    record_property("slowest ordinary request", f"{passer.longest():.2f} s")

    stage.end()
    heads = backlog.heads(stage.streams)
    wait_until(lambda: crowd.all_have_reached(heads), timeout=120, what="the crowd is level")
    pages = crowd.pages()
    for page in pages:
        page.assert_equals_tables(stage.streams)
    # The first wait is half a second at most, and too short for the start of a web process.
    # The second is anything up to a second; a fixed one would be the same for all.
    begun = [page.begun[count:] for page, count in zip(pages, before, strict=True)]
    waits = sorted(
        second - first for first, second, *_ in (each for each in begun if len(each) > 1)
    )
    assert len(waits) > CROWD // 2
    early, late = waits[len(waits) // 4], waits[-len(waits) // 4]
    record_property("the middle half waited", f"{early} to {late} ms")
    assert late - early > 200
    assert web.unexpected() == []
