"""Somebody on the Redis network gives orders to a worker, and is not obeyed."""

from __future__ import annotations

import os
import uuid

import pytest
from django_celery_results.models import TaskResult

from config.celery import app
from exports.lifecycle.queue import HELP, RUN
from exports.models import Export
from exports.status import Status
from tests.support.waiting import wait_until

ORDERS = {
    "shutdown": {},
    "revoke": {"task_id": "x", "terminate": True},
    "terminate": {"task_id": "x", "signal": "KILL"},
    "pool_grow": {"n": 5},
    "pool_shrink": {"n": 1},
    "pool_restart": {},
    "autoscale": {"max": 10, "min": 10},
    "rate_limit": {"task_name": RUN, "rate_limit": "1/d"},
    "time_limit": {"task_name": RUN, "hard": 1, "soft": 1},
    "cancel_consumer": {"queue": "exports"},
    "add_consumer": {"queue": "mine"},
    "enable_events": {},
    "conf": {},
    "dump_conf": {},
    "report": {},
    "registered": {},
    "active": {},
    "memdump": {},
    "hello": {"from_node": "mallory", "revoked": {"x": 1}},
}


class Bomb:
    """Unpickled, it makes a directory."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def order(worker):
    def give(command, **arguments):
        with app.connection_for_write() as fresh:
            return app.control.broadcast(
                command,
                arguments=arguments,
                destination=[worker.name],
                reply=True,
                timeout=10,
                limit=1,
                connection=fresh,
            )

    return give


@pytest.mark.proves("redis-controls-no-worker")
def test_worker_obeys_no_remote_command_but_two(order, worker):
    pool = worker.process
    for command, arguments in ORDERS.items():
        (reply,) = order(command, **arguments)
        assert reply[worker.name] == {"error": f"KeyError('{command}')"}, command

    assert order("ping") == [{worker.name: {"ok": "pong"}}]
    (queues,) = order("active_queues")
    assert {each["name"] for each in queues[worker.name]} == {"exports", "exports-help"}
    assert pool.is_running


@pytest.mark.proves("redis-controls-no-worker")
@pytest.mark.parametrize("task", [RUN, HELP])
def test_forged_id_of_an_export_changes_nothing(django_user_model, worker, task):
    owner = django_user_model.objects.create_user("ada")
    ended = Export.objects.create(owner=owner, exporter="flights", status=Status.CANCELLED)
    ids = [str(uuid.uuid4()), "", "../../etc/passwd", 7, None, {"$": 1}, [], str(ended.pk)]

    sent = [app.send_task(task, args=[each]).id for each in ids]

    wait_until(
        lambda: TaskResult.objects.filter(task_id__in=sent, status="SUCCESS").count() == len(ids),
        what="all are done, and none has failed",
    )
    ended.refresh_from_db()
    assert (Export.objects.count(), ended.status, ended.attempt) == (1, Status.CANCELLED, 0)
    assert "Traceback" not in worker.process.log_text()


@pytest.mark.proves("redis-controls-no-worker")
def test_message_that_is_not_json_is_not_deserialized(worker, tmp_path):
    from kombu.serialization import disable_insecure_serializers, enable_insecure_serializers

    bomb = tmp_path / "opened"
    enable_insecure_serializers(["pickle"])
    try:
        app.send_task(RUN, args=[Bomb(bomb)], serializer="pickle")
        after = app.send_task(RUN, args=[str(uuid.uuid4())]).id
    finally:
        disable_insecure_serializers(["json", "application/data", "text/plain"])

    wait_until(lambda: TaskResult.objects.filter(task_id=after).exists(), what="the next one")
    assert not bomb.exists()
    assert worker.process.is_running
