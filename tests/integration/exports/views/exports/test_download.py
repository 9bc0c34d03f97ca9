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
async def test_the_file_comes_whole_in_blocks_with_its_name_and_checksum(finished, user):
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
async def test_a_download_that_is_broken_off_closes_the_file(finished, user, monkeypatch, read):
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


def test_a_browser_that_has_the_file_is_not_sent_it_again(signed_in, finished):
    etag = f'"{finished.sha256}"'

    response = signed_in.get(page("file", finished), headers={"If-None-Match": etag})

    assert (response.status_code, response["ETag"], response.content) == (304, etag, b"")


@pytest.mark.proves("export-needs-permission")
def test_permission_is_asked_again_at_the_download(signed_in, user, finished):
    user.user_permissions.clear()

    response = signed_in.get(page("file", finished))

    assert response.status_code == 403
    assert "You do not have permission to export" in text_of(response)


def test_a_file_of_an_exporter_that_is_gone_is_not_there(signed_in, finished):
    Export.objects.update(exporter="removed")

    assert signed_in.get(page("file", finished)).status_code == 404


def test_an_expired_file_is_gone_and_says_so(signed_in, finished):
    Export.objects.update(expires_at=timezone.now())

    response = signed_in.get(page("file", finished))

    assert response.status_code == 410
    assert "This file has expired" in text_of(response)


def test_a_file_that_was_deleted_from_storage_is_gone_and_says_so(signed_in, finished):
    default_storage.delete(finished.file)

    response = signed_in.get(page("file", finished))

    assert response.status_code == 410
    assert "no longer in storage" in text_of(response)


@pytest.mark.proves("no-partial-file")
def test_an_export_that_is_not_finished_has_no_file_yet(signed_in, make_export):
    response = signed_in.get(page("file", make_export()))

    assert response.status_code == 404
    assert "This export has no file. Its status is queued." in text_of(response)
