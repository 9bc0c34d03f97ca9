"""The Celery app. Its settings are the CELERY_ ones in `config.settings`."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("waybill")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_logging(**_: object) -> None:
    """Leave logging as Django's settings made it.

    Celery would raise the root logger to WARNING, and the logs of exports would be empty.
    That somebody answers this signal is all it takes.
    """
