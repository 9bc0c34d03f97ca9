"""Threads that run for requests keep no connection, however a request ends."""

from __future__ import annotations

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections

from config.threads import CleanThreads
from tests.support.streaming import eventually

pytestmark = pytest.mark.django_db(transaction=True)

HTTP = {"type": "http"}


async def nothing(*_):
    """Neither received nor sent."""


@pytest.fixture
def opened():
    """Wrappers of the connections that `ask` has opened, each in the thread that called it."""
    return []


@pytest.fixture
def ask(opened):
    def ask():
        connection.ensure_connection()
        opened.append(connections["default"])

    return ask


async def test_failed_request_returns_its_connection(ask, opened):
    async def fail(*_):
        await sync_to_async(ask)()
        raise LookupError

    with pytest.raises(LookupError):
        await CleanThreads(fail)(HTTP, nothing, nothing)

    assert [each.connection for each in opened] == [None]


async def test_abandoned_request_finishes_and_returns_its_connection(ask, opened):
    may_finish, has_finished = asyncio.Event(), asyncio.Event()

    async def wait(*_):
        await sync_to_async(ask)()
        await may_finish.wait()
        has_finished.set()

    request = asyncio.create_task(CleanThreads(wait)(HTTP, nothing, nothing))
    await eventually(lambda: opened, "a connection is open")
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    may_finish.set()
    await asyncio.wait_for(has_finished.wait(), 10)
    await eventually(lambda: opened[0].connection is None, "it is given back")


async def test_threads_of_the_event_loop_keep_no_connection(ask, opened):
    async def in_threads(*_):
        await asyncio.to_thread(ask)
        await sync_to_async(ask, thread_sensitive=False)()

    for kind in HTTP, {"type": "websocket"}:
        await CleanThreads(in_threads)(kind, nothing, nothing)

    assert [each.connection for each in opened] == [None] * 4
