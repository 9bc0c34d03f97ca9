"""Rows that other processes change during an export."""

from __future__ import annotations

import pytest
from django.db import connection

from demo.models import Flight

IS_POSTGRES = connection.vendor == "postgresql"
only_postgres = pytest.mark.only_on("postgres")


def delete(*keys):
    Flight.objects.filter(id__in=keys).delete()
