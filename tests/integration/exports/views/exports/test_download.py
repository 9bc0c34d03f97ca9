"""The link to the file of an export."""

from __future__ import annotations

import hashlib

import pytest
from django.core.files.storage import default_storage
from django.test import AsyncClient
from django.utils import timezone

from exports.files import download
from exports.models import Export
from tests.support.pages import page, text_of

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
async def test_file_has_its_bytes_name_type_and_checksum(finished, user):
    client = AsyncClient()
    await client.aforce_login(user)

    response = await client.get(page("file", finished))
    blocks = [block async for block in response.streaming_content]

    assert response.status_code == 200
    assert hashlib.sha256(b"".join(blocks)).hexdigest() == finished.sha256
    assert max(map(len, blocks)) <= download.BLOCK_BYTES < finished.bytes
    assert response["Content-Length"] == str(finished.bytes)
    assert response["ETag"] == f'"{finished.sha256}"'
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert (
        response["Content-Disposition"]
        == "attachment; filename=\"Fluge _2013_.csv\"; filename*=UTF-8''Fl%C3%BCge%20_2013_.csv"
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("read", [0, 1], ids=["before the first block", "after it"])
async def test_interrupted_download_closes_the_file(finished, user, monkeypatch, read):
    opened = []
    real_open = default_storage.open
    monkeypatch.setattr(
        "django.core.files.storage.default_storage.open",
        lambda *given: opened.append(real_open(*given)) or opened[-1],
    )
    client = AsyncClient()
    await client.aforce_login(user)
    response = await client.get(page("file", finished))

    stream = aiter(response)
    for _ in range(read):
        await anext(stream)
    response.close()

    assert [file.closed for file in opened] == [True]


def test_cached_file_is_not_sent_again(signed_in, finished):
    etag = f'"{finished.sha256}"'

    response = signed_in.get(page("file", finished), headers={"If-None-Match": etag})

    assert (response.status_code, response["ETag"], response.content) == (304, etag, b"")


@pytest.mark.proves("export-needs-permission")
def test_download_checks_the_permission_again(signed_in, user, finished):
    user.user_permissions.clear()

    response = signed_in.get(page("file", finished))

    assert response.status_code == 403
    assert "You do not have permission to export" in text_of(response)


def test_file_of_a_removed_exporter_gives_404(signed_in, finished):
    Export.objects.update(exporter="removed")

    assert signed_in.get(page("file", finished)).status_code == 404


def test_expired_file_gives_410_with_a_reason(signed_in, finished):
    Export.objects.update(expires_at=timezone.now())

    response = signed_in.get(page("file", finished))

    assert response.status_code == 410
    assert "This file has expired" in text_of(response)


def test_file_deleted_from_storage_gives_410_with_a_reason(signed_in, finished):
    default_storage.delete(finished.file)

    response = signed_in.get(page("file", finished))

    assert response.status_code == 410
    assert "no longer in storage" in text_of(response)


@pytest.mark.proves("no-partial-file")
def test_unfinished_export_has_no_file(signed_in, make_export):
    response = signed_in.get(page("file", make_export()))

    assert response.status_code == 404
    assert "This export has no file. Its status is queued." in text_of(response)
