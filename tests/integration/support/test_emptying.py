"""What a test has committed is gone before the next one."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connection

from notifications.models import AuditEntry
from tests.services import emptying
from tests.support.exporting import start

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("small", [emptying.SMALL, 0], ids=["few rows", "many rows"])
def test_flush_leaves_only_permissions_and_content_types(small, monkeypatch):
    monkeypatch.setattr(emptying, "SMALL", small)
    start(user=User.objects.create_superuser("ada"))
    assert AuditEntry.objects.exists()
    permissions = list(Permission.objects.values_list("pk", "codename"))

    call_command("flush", verbosity=0, interactive=False, reset_sequences=False)

    filled = {model._meta.db_table for model in apps.get_models() if model.objects.exists()}
    assert filled == emptying.KEPT & set(connection.introspection.table_names())
    assert list(Permission.objects.values_list("pk", "codename")) == permissions
