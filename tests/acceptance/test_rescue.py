"""Rescue waits for nobody: neither for a worker nor for what is queued before it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from exports import lifecycle
from exports.lifecycle import attempts
from exports.models import Export
from exports.status import Status
from tests.support.starting import start_export
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.services.processes import Process


@pytest.mark.proves("exports-come-to-rest")
@pytest.mark.parametrize(
    ("asked", "rescued"), [(None, Status.QUEUED), (lifecycle.cancel, Status.CANCELLED)]
)
def test_beat_rescues_a_lost_export_without_a_free_worker(
    transactional_db: None, beat: Process, asked, rescued
):
    user = get_user_model().objects.create_superuser("somebody")
    for number in range(5):  # They wait before it in the queue.
        start_export(user=user, exporter="airports", label=f"Airports {number}")
    lost = attempts.claim(start_export(user=user, exporter="airports").pk, worker="lost")
    if asked:
        asked(lost)
    yesterday = timezone.now() - timedelta(days=1)
    Export.objects.filter(pk=lost.pk).update(lease_expires_at=yesterday)

    wait_until(
        lambda: Export.objects.get(pk=lost.pk).status == rescued,
        timeout=60,
        what=f"the lost export is {rescued}",
    )
