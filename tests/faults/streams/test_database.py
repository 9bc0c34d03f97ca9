"""The database fails, or keeps somebody waiting: sockets stay open, and the others go on."""

from __future__ import annotations

import time

import pytest
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.contrib.auth.models import User
from django.db import connection, connections, transaction

from notifications.streams import access, backlog, publish, signed
from tests.faults.recorder import Recorder
from tests.support.streaming import session_of
from tests.support.waiting import wait_until

CLIENTS = 4
THREADS = 2  # with which the web process reads the database
PINGS = 20


@pytest.mark.proves("postgres-crash-closes-no-socket")
@pytest.mark.only_on("postgres")
@pytest.mark.parametrize("pool", [0, 4], ids=["unpooled", "pooled"])
def test_sockets_outlive_a_crash_of_postgres(stage, start_web, postgres, record_property, pool):
    web = start_web(DATABASE_POOL_SIZE=str(pool))
    stage.follow(web, CLIENTS)
    stage.publish()
    stage.seconds_until_level()
    hint = hint_of_more(stage.streams[0])

    postgres.crash()
    async_to_sync(get_channel_layer().group_send)(stage.streams[0], signed.sign(hint))
    # A pool waits for a connection, and says so. Without one, reads fail and are tried again.
    for said in ["error connecting"] if pool else ["sweep could not", "stream could not"]:
        wait_until(lambda said=said: said in web.process.log_text(), what=said)
    newcomer = stage.add(web)
    wait_until(lambda: newcomer.losses, what="who comes now is sent away")
    postgres.start()
    begin = time.monotonic()
    connections.close_all()
    stage.seconds_until_level()
    record_property("level, after its return", f"{time.monotonic() - begin:.1f} s")

    web.stop_sweeps()
    stage.seconds_until_level()
    stage.end()
    stage.assert_nobody_reconnected(but=[newcomer])
    assert web.unexpected() == []


def hint_of_more(stream):
    """What a large transaction pushes: how far the stream goes, and nothing of it."""
    head = backlog.heads([stream])[stream]
    where = {"epoch": head.epoch, "offset": head.offset + 1000, "revision": head.revision}
    return {"type": "stream.push", "stream": stream, **where, "items": []}


@pytest.fixture
def web(start_web):
    return start_web(
        NOTIFICATIONS_DATABASE_THREADS=str(THREADS),
        DATABASE_LOCK_TIMEOUT="1min",  # SQLite's is 20 seconds.
    )


@pytest.fixture
def held_up(web):
    """A function for use in a transaction: clients whose first read waits for its end.

    Who is the first to ask for a stream makes its row. The transaction has made it already,
    and not committed.
    """
    users = [User.objects.create_user(f"waits {number}") for number in range(THREADS)]
    cookies = {access.user_stream(user): session_of(user) for user in users}
    clients = []

    def start(count):
        for stream, cookie in list(cookies.items())[:count]:
            publish.append(stream, "not committed", {})
            clients.append(Recorder(web, cookie, [stream]))
        for client in clients:
            wait_until(lambda client=client: client.handshakes, what="a connection")
        assert_answer(clients)  # Frames are taken in their order: they have subscribed.
        return clients

    yield start
    for client in clients:
        client.close()


def assert_answer(clients, times=1):
    """Whoever waits for a lock may give up before all have answered in turn: all are asked at once."""
    expected = [len(client.pongs) + times for client in clients]
    for client in clients:
        for _ in range(times):
            client.ping("?")
    wait_until(lambda: [len(client.pongs) for client in clients] == expected, what="all pongs")


@pytest.mark.proves("slow-read-delays-one-socket")
def test_slow_read_delays_no_other_client(stage, web, held_up):
    others = stage.follow(web, CLIENTS)
    with transaction.atomic():
        (slow,) = held_up(1)
        assert_answer(others, PINGS)
        stage.follow(web)  # One who comes just now.
        assert not slow.is_live

    wait_until(lambda: slow.record.events, what="what it has waited for")
    stage.end()
    stage.assert_nobody_reconnected()
    assert web.unexpected() == []


@pytest.mark.proves("slow-read-delays-one-socket")
@pytest.mark.only_on("postgres")
def test_pushes_arrive_while_every_read_waits(stage, web, held_up):
    stage.follow(web, CLIENTS)
    # Two could overtake each other on the way, and a gap must be read.
    stage.publish(1)
    stage.seconds_until_level()
    with transaction.atomic(), connection.cursor() as cursor:
        slow = held_up(THREADS)
        wait_until(lambda: waiting(cursor) == THREADS, what="all reads wait")
        sweeps = web.inside().counters["sweeps"]
        for _ in range(3):
            stage.seconds_until_level()
        assert not any(each.is_live for each in slow)
        assert web.inside().counters["sweeps"] == sweeps

    wait_until(lambda: all(each.record.events for each in slow), what="what they have waited for")
    stage.end()
    stage.assert_nobody_reconnected()
    assert web.unexpected() == []


def waiting(cursor):
    """How many sessions wait for a lock that this one has."""
    cursor.execute(
        "SELECT count(*) FROM pg_locks"
        " WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    )
    return cursor.fetchone()[0]
