"""Nobody has to think of deleting: beat does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from axes.models import AccessLog
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.core.files.storage import default_storage
from django.utils import timezone
from django_celery_results.models import TaskResult

from exports.files import storage
from exports.models import Export
from exports.status import Status
from tests.services.waybill import start_beat
from tests.support.exporting import force_status
from tests.support.starting import start_export
from tests.support.waiting import wait_until


@pytest.mark.proves("pruning-keeps-what-is-offered")
def test_beat_deletes_expired_files(run, transactional_db, valkey):
    user = get_user_model().objects.create_superuser("somebody")
    export = start_export(user=user, exporter="airports")
    with storage.NewFile() as new:
        new.write(b"x")
        name = new.store(storage.file_name(export))
    now = timezone.now()
    force_status(export, Status.SUCCEEDED, file=name, finished_at=now, expires_at=now)

    beat = start_beat(run)
    wait_until(
        lambda: Export.objects.get().file == "", timeout=60, what="the file is not named any more"
    )
    beat.kill()

    assert not default_storage.exists(name)


def test_beat_deletes_expired_sessions_sign_ins_and_results(run, transactional_db, valkey):
    now = timezone.now()
    for name, age in (("old", timedelta(days=31)), ("new", timedelta(minutes=-5))):
        Session.objects.create(session_key=name, session_data="", expire_date=now - age)
        AccessLog.objects.create(username=name)
        TaskResult.objects.create(task_id=name)
        # These fields take the present moment by themselves.
        AccessLog.objects.filter(username=name).update(attempt_time=now - age)
        TaskResult.objects.filter(task_id=name).update(date_done=now - age)

    def left():
        return [
            list(Session.objects.values_list("session_key", flat=True)),
            list(AccessLog.objects.values_list("username", flat=True)),
            list(TaskResult.objects.values_list("task_id", flat=True)),
        ]

    beat = start_beat(run)
    wait_until(lambda: left() == [["new"]] * 3, timeout=60, what="the old rows are gone")
    beat.kill()
