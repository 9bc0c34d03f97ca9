"""Rows that other processes change during an export."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, connections

from demo.models import Flight

IS_POSTGRES = connection.vendor == "postgresql"
only_postgres = pytest.mark.only_on("postgres")


def elsewhere(action):
    """Call `action` over another connection, like another process."""

    def work():
        try:
            action()
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def delete(*keys):
    Flight.objects.filter(id__in=keys).delete()
