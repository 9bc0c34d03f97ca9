"""Users with exports in any state."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta

import pytest

# Models are imported inside the fixtures: pytest loads this file before Django's apps.


@pytest.fixture
def make_user(django_user_model):
    from django.contrib.auth.models import Permission

    def make(name, *permissions):
        user = django_user_model.objects.create_user(name)
        user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
        return user

    return make


@pytest.fixture
def user(make_user):
    """Somebody who may export airports."""
    return make_user("somebody", "export_airport")


@pytest.fixture
def make_export(user):
    """A queued export of `user`, with columns set behind the lifecycle's back."""
    from exports.models import Export
    from tests.support.starting import start_export

    def make(owner=user, **fields):
        # Of one question there is one at a time.
        export = start_export(user=owner, exporter="airports", label=f"Airports {uuid.uuid4()}")
        Export.objects.filter(pk=export.pk).update(**fields)
        export.refresh_from_db()
        return export

    return make


@pytest.fixture
def finished(make_export):
    """A succeeded export with its file in storage."""
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage
    from django.utils import timezone

    from exports.status import Status

    content = b"faa,name\r\n" + b"EWR,Newark\r\n" * 50_000
    name = default_storage.save(f"exports/{uuid.uuid4()}/1.csv", ContentFile(content))
    yield make_export(
        status=Status.SUCCEEDED,
        file=name,
        bytes=len(content),
        rows_done=50_000,
        rows_total=50_000,
        sha256=hashlib.sha256(content).hexdigest(),
        finished_at=timezone.now(),
        expires_at=timezone.now() + timedelta(days=7),
        label='Flüge "2013"/\n',
    )
    default_storage.delete(name)
