"""What is done by the clock goes on, whatever happens to one call."""

from __future__ import annotations

import threading

import pytest

from notifications.clock import Clock
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_call_that_fails_is_not_the_last():
    calls = []

    def job():
        calls.append(threading.current_thread().name)
        if len(calls) == 1:
            raise OSError("The database is being restarted.")

    clock = Clock(job, seconds=0.01)
    clock.start()
    wait_until(lambda: len(calls) >= 3, what="it is called again")
    clock.stop()

    assert set(calls) == {"clock"}
    assert not clock.is_alive()


def test_it_does_not_wait_for_the_first_call():
    called = threading.Event()

    clock = Clock(called.set, seconds=3600)
    clock.start()

    assert called.wait(10)
    clock.stop()
