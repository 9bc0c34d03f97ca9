"""The threads in which consumers read, and their connections."""

from __future__ import annotations

import asyncio

import pytest
from django.db import connection

from notifications.conf import conf
from notifications.delivery.db_threads import in_database
from tests.support.streaming import in_thread

pytestmark = pytest.mark.django_db(transaction=True)


def made_by_the_driver():
    connection.ensure_connection()
    return connection.connection


@pytest.mark.proves("mass-reconnect-catches-up")
async def test_database_connections_are_reused_and_limited_by_threads():
    seen = [await in_database(made_by_the_driver) for _ in range(50)]
    seen += await asyncio.gather(*(in_database(made_by_the_driver) for _ in range(50)))

    assert 1 <= len(set(map(id, seen))) <= conf.DATABASE_THREADS


async def test_other_threads_keep_no_connection():
    await in_database(made_by_the_driver)

    assert await in_thread(lambda: connection.settings_dict["CONN_MAX_AGE"]) == 0


@pytest.mark.only_on("postgres")
async def test_connection_that_was_cut_is_replaced_without_an_error():
    def pid():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return cursor.fetchone()[0]

    def cut():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND pid = ANY(%s)",
                [list(before)],
            )

    before = {await in_database(pid) for _ in range(20)}
    await in_thread(cut)
    after = {await in_database(pid) for _ in range(20)}

    assert not before & after
