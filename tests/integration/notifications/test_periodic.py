"""A periodic job goes on, whatever happens to one call."""

from __future__ import annotations

import threading

import pytest
from django.urls import reverse, set_script_prefix

from notifications.periodic import PeriodicThread
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def test_failed_call_is_repeated(caplog):
    calls = []

    def job():
        calls.append(threading.current_thread().name)
        if len(calls) == 1:
            raise OSError("The database is being restarted.")

    thread = PeriodicThread(job, seconds=0.01, name="send_mail")
    thread.start()
    wait_until(lambda: len(calls) >= 3, what="it is called again")
    thread.stop()

    assert set(calls) == {"send_mail"}
    assert caplog.messages == ["send_mail failed. The next try is in 0.01 s."]
    assert not thread.is_alive()


def test_first_call_is_not_delayed():
    called = threading.Event()

    thread = PeriodicThread(called.set, seconds=3600)
    thread.start()

    assert called.wait(10)
    thread.stop()


@pytest.mark.proves("works-below-a-path")
def test_addresses_in_a_job_are_below_the_path():
    seen = []
    set_script_prefix("/sub/")  # As django.setup() does with FORCE_SCRIPT_NAME.
    try:
        thread = PeriodicThread(lambda: seen.append(reverse("notifications:inbox")), seconds=0.01)
    finally:
        set_script_prefix("/")
    thread.start()
    wait_until(lambda: seen, what="it is called")
    thread.stop()

    assert seen[0] == "/sub/inbox/"
