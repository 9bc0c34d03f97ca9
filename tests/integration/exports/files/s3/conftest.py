"""Exports whose files are in a bucket of a real S3 server, which checks signatures."""

from __future__ import annotations

import functools

import pytest

# Models are imported inside the fixtures: pytest loads this file before Django's apps.


@pytest.fixture(scope="module", autouse=True)
def _service_is_described_once():
    """Each client reads a description of S3 that has 1 MB, for a tenth of a second."""
    import botocore.session
    from botocore.loaders import create_loader

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(create_loader))
        yield


@pytest.fixture(autouse=True)
def environment(s3, monkeypatch, settings, tmp_path):
    """Django keeps its files in the bucket, in the way that the environment says."""
    from django.core.files.storage import storages

    from config.storage import from_url
    from exports.files import s3 as bucket

    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    settings.EXPORTS_WORK_DIR = tmp_path / "work"
    settings.EXPORTS_PART_ROWS = 10
    settings.STORAGES = {**settings.STORAGES, "default": from_url(s3.env["STORAGE_URL"])}
    yield
    for storage in list(storages._storages.values()):
        if isinstance(storage, bucket.S3Files):
            storage.client.close()


@pytest.fixture
def user(django_user_model):
    from django.contrib.auth.models import Permission

    user = django_user_model.objects.create_user("ada")
    user.user_permissions.add(Permission.objects.get(codename="export_flight"))
    return user


@pytest.fixture
def finished(user):
    from tests.support.bucket import ROWS
    from tests.support.exporting import make_flights, run, start

    make_flights(ROWS)
    return run(start(user))
