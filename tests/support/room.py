"""Disk space: limits, and exports that use it."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from exports.models import Part, PartStatus
from exports.status import Status
from tests.support.exporting import force_status, request

MORE_THAN_ANY_DISK = 2**60
SITE, FLOOR = "EXPORTS_MAX_STORED_BYTES", "EXPORTS_MIN_FREE_BYTES"
TOO_LITTLE = [(SITE, 100), (FLOOR, MORE_THAN_ANY_DISK)]


def finished(owner, size, **fields):
    """Create an export whose file has so many bytes."""
    expires = timezone.now() + timedelta(hours=5)
    known = {"file": "a", "bytes": size, "expires_at": expires, **fields}
    return force_status(request(owner), Status.SUCCEEDED, **known)


def with_part(export, size, status=PartStatus.DONE, file="a"):
    Part.objects.create(
        export=export, number=1, upto_key="1", rows=1, bytes=size, status=status, file=file
    )
    return export
