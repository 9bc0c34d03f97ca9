"""A finished export and its owner's browser."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from tests.support.downloading import BOTH, CONTENT

# Models are imported inside the fixtures: pytest loads this file before Django's apps.


@pytest.fixture
def user(django_user_model):
    from django.contrib.auth.models import Permission

    user = django_user_model.objects.create_user("ada")
    user.user_permissions.add(Permission.objects.get(codename="export_airport"))
    return user


@pytest.fixture
def finish(user):
    """Make a succeeded export with this content for its file."""
    from django.utils import timezone

    from exports.files import storage
    from exports.status import Status
    from tests.support.exporting import force_status
    from tests.support.starting import start_export

    def finish(content=CONTENT, **fields):
        export = start_export(user=user, exporter="airports", label="Airports")
        for name, value in fields.items():
            setattr(export, name, value)
        with storage.NewFile(digest := hashlib.sha256()) as new:
            new.write(content)
            name = new.store(storage.file_name(export))
        given = {
            "file": name,
            "bytes": new.bytes,
            "sha256": digest.hexdigest(),
            "finished_at": timezone.now(),
            "expires_at": timezone.now() + timedelta(days=7),
        }
        return force_status(export, Status.SUCCEEDED, **{**given, **fields})

    return finish


@pytest.fixture
def export(finish):
    return finish()


@pytest.fixture(params=BOTH, ids=["page", "api"])
def url(request, export):
    """The address of the file of `export`: once the page's, once the API's."""
    return request.param.format(export.pk)


@pytest.fixture
def downloads():
    from exports.models import Download

    async def downloads():
        return [
            row async for row in Download.objects.order_by("pk").values_list("range", flat=True)
        ]

    return downloads
