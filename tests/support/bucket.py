"""The bucket of the tests: its objects, and responses to its links."""

from __future__ import annotations

from django.core.files.storage import default_storage

from exports.files import storage as store
from tests.services import s3 as service

ROWS = range(1, 36)


def keys():
    """Return all objects below the prefix of the tests, by their full names."""
    listed = default_storage.client.list_objects_v2(Bucket=service.BUCKET, Prefix="waybill/")
    return {entry["Key"] for entry in listed.get("Contents", ())}


def read(name):
    with store.open_file(name) as file:
        return file.read()
