"""A publisher dies, hangs or is late where it matters most: around its commit."""

from __future__ import annotations

import signal

import pytest
from django.db import transaction

from notifications.streams import backlog, publish
from tests.support.waiting import wait_until

OFTEN = {"NOTIFICATIONS_SWEEP_SECONDS": "0.5"}


@pytest.mark.proves("lost-push-only-delays")
@pytest.mark.parametrize("how", ["SIGKILL", "SIGSTOP"])
def test_committed_event_without_a_push_arrives_by_sweep(stage, start_web, how):
    web = start_web(**OFTEN)
    stage.follow(web, 2)
    stream = stage.streams[0]

    publisher = stage.start_publisher("--stops-before-push", how)
    wait_until(lambda: backlog.heads([stream])[stream].offset, what="it has committed")
    stage.seconds_until_level()

    assert web.inside().counters["received"] == 0
    if how == "SIGSTOP":
        assert publisher.is_running
        publisher.kill()
    assert publisher.wait() == -signal.SIGKILL
    stage.end()
    stage.assert_nobody_reconnected()


def test_late_commit_comes_before_events_that_waited_for_it(stage, start_web):
    web = start_web(**OFTEN)
    clients = stage.follow(web, 2)
    stage.streams = stage.streams[:1]
    (stream,) = stage.streams

    with transaction.atomic():
        publish.append(stream, "late", {})
        quick = stage.start_publisher()
        wait_until(lambda: "beginning" in quick.log_text(), what="the other one tries")
        sweeps = web.inside().counters["sweeps"]
        wait_until(lambda: web.inside().counters["sweeps"] > sweeps + 2, what="sweeps go by")
        assert [each.record.events for each in clients] == [{}, {}]
    wait_until(lambda: "publishing" in quick.log_text(), what="the other one has its turn")

    stage.publishers.append(quick)
    stage.end()
    assert [each.record.events[stream][0][:2] for each in clients] == [[1, "late"]] * 2
    stage.assert_nobody_reconnected()
