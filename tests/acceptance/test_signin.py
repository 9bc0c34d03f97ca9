"""Fifty people, or one with fifty addresses, sign in at once: everybody else goes on."""

from __future__ import annotations

import http.client
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from tests.services.waybill import HOST
from tests.support.visitor import Visitor

CROWD = 50
CSRF = "a" * 32


@pytest.fixture
def ada(django_user_model):
    return django_user_model.objects.create_user("ada", password="ada")


def attempt(server, name, address):
    """The status of an attempt with a password that is wrong, as the proxy passes it on."""
    fields = {"username": name, "password": "wrong", "csrfmiddlewaretoken": CSRF}
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": f"csrftoken={CSRF}",
        "X-Forwarded-For": address,
    }
    with closing(http.client.HTTPConnection(HOST, server.port, timeout=60)) as connection:
        connection.request("POST", "/login/", urllib.parse.urlencode(fields), headers)
        return connection.getresponse().status


@pytest.mark.proves("signin-crowd-slows-nobody")
@pytest.mark.only_on("postgres")
def test_many_sign_ins_do_not_exhaust_the_pool(start_server, ada):
    # Hashes of names that nobody has cost as much as in production.
    server = start_server(DATABASE_POOL_SIZE="3")
    visitor = Visitor(server)
    visitor.sign_in("ada", "ada")

    with ThreadPoolExecutor(CROWD) as pool:
        attempts = [
            pool.submit(attempt, server, f"nobody-{number}", f"93.184.216.{number}")
            for number in range(CROWD)
        ]
        pages = []
        while not all(each.done() for each in attempts):
            began = time.monotonic()
            pages.append((visitor.get("/exports/").status, time.monotonic() - began))

    answers = [each.result() for each in attempts]
    assert {status for status, _ in pages} == {200}
    # Twenty wait in turn, and the others are told at once to come back.
    assert set(answers) == {200, 503}
    assert answers.count(503) >= CROWD / 2
