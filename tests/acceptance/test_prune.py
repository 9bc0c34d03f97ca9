"""Nobody has to think of deleting: beat does."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.core.files.storage import default_storage
from django.utils import timezone

from exports import lifecycle
from exports.engine import store
from exports.models import Export, Status
from tests.exporting import put
from tests.services.waybill import start_beat
from tests.waiting import wait_until


def test_beat_deletes_what_has_expired(run, transactional_db, valkey):
    user = get_user_model().objects.create_superuser("somebody")
    export = lifecycle.request(user=user, exporter="airports")
    with store.NewFile() as new:
        new.write(b"x")
        name = new.store(store.file_name(export))
    now = timezone.now()
    put(export, Status.SUCCEEDED, file=name, finished_at=now, expires_at=now)

    beat = start_beat(run)
    wait_until(
        lambda: Export.objects.get().file == "", timeout=60, what="the file is not named any more"
    )
    beat.kill()

    assert not default_storage.exists(name)
