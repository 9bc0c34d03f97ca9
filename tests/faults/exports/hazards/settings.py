"""The settings of production, for workers that something is to happen to."""

from __future__ import annotations

import os
import time
from datetime import timedelta

from django.utils import timezone

from config.settings import *  # noqa: F403 - all of them
from config.settings import INSTALLED_APPS, STORAGES

INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults.exports.hazards"]
STORAGES = {
    **STORAGES,
    "default": {
        **STORAGES["default"],
        "BACKEND": "tests.faults.exports.hazards.storage.TrappedStorage",
    },
}

if _fast_by := float(os.environ.get("CLOCK_IS_FAST_BY", "0")):
    # The clock of this host is wrong by so many seconds.
    _time, _now = time.time, timezone.now
    time.time = lambda: _time() + _fast_by
    timezone.now = lambda: _now() + timedelta(seconds=_fast_by)
