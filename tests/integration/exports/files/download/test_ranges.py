"""A file comes down whole or in ranges."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async

from exports.files import download, storage
from tests.support.downloading import CONTENT, ETAG, SIZE, body

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("folder")]


async def test_file_comes_whole_without_a_range(client, url):
    response = await client.get(url)

    assert response.status_code == 200
    assert await body(response) == CONTENT
    assert response["Content-Length"] == str(SIZE)
    assert response["Accept-Ranges"] == "bytes"
    assert response["ETag"] == ETAG
    is_api = url.startswith("/api/")
    assert response["Cache-Control"] == f"private, {'no-store' if is_api else 'no-cache'}"
    assert "Content-Range" not in response
    assert "Content-Encoding" not in response


@pytest.mark.parametrize(
    ("header", "meant"),
    [
        ("bytes=0-0", (0, 0)),
        ("bytes=300000-700000", (300_000, 700_000)),
        ("bytes=1000000-", (1_000_000, SIZE - 1)),
        ("bytes=-10", (SIZE - 10, SIZE - 1)),
        (f"bytes=5-{SIZE + 5}", (5, SIZE - 1)),
    ],
)
async def test_range_has_only_its_bytes(client, url, header, meant):
    first, last = meant

    response = await client.get(url, headers={"Range": header})

    assert response.status_code == 206
    assert await body(response) == CONTENT[first : last + 1]
    assert response["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert response["Content-Length"] == str(last + 1 - first)
    assert response["ETag"] == ETAG
    assert response["Content-Disposition"] == 'attachment; filename="Airports.csv"'


async def test_range_beyond_the_end_is_refused_with_the_size(client, url, downloads):
    response = await client.get(url, headers={"Range": f"bytes={SIZE}-"})

    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{SIZE}"
    assert response.content == b""
    assert await downloads() == []


async def test_several_ranges_are_answered_with_the_whole_file(client, export):
    headers = {"Range": "bytes=0-9, 20-29"}

    response = await client.get(f"/exports/{export.pk}/file", headers=headers)

    assert response.status_code == 200
    assert await body(response) == CONTENT


@pytest.mark.proves("downloads-resume")
async def test_interrupted_download_resumes_where_it_stopped(client, export):
    url = f"/exports/{export.pk}/file"
    response = await client.get(url)
    begun = await anext(aiter(response))
    response.close()

    headers = {"Range": f"bytes={len(begun)}-", "If-Range": response["ETag"]}
    rest = await client.get(url, headers=headers)

    assert rest.status_code == 206
    assert begun + await body(rest) == CONTENT


@pytest.mark.proves("downloads-resume")
@pytest.mark.parametrize(
    "validator", ['"another"', f"W/{ETAG}", "Fri, 27 Nov 2026 20:00:00 GMT", ETAG.strip('"'), ""]
)
async def test_range_of_another_version_gets_the_whole_file(client, export, validator):
    headers = {"Range": "bytes=0-9", "If-Range": validator}

    response = await client.get(f"/exports/{export.pk}/file", headers=headers)

    assert response.status_code == 200
    assert await body(response) == CONTENT


@pytest.mark.parametrize("known", [ETAG, f"W/{ETAG}", f'"x", {ETAG}', "*"])
async def test_cached_file_and_range_give_304(client, url, known, downloads):
    headers = {"If-None-Match": known, "Range": "bytes=0-9"}

    response = await client.get(url, headers=headers)

    assert (response.status_code, response.content, response["ETag"]) == (304, b"", ETAG)
    assert await downloads() == []


async def test_head_has_all_headers_and_no_content(client, url, downloads, monkeypatch):
    monkeypatch.setattr(storage, "open_at", None)  # It is not even opened.

    response = await client.head(url, headers={"Range": "bytes=0-9"})

    assert response.status_code == 200
    assert response.content == b""
    assert response["Content-Length"] == str(SIZE)
    assert response["Accept-Ranges"] == "bytes"
    assert response["ETag"] == ETAG
    assert response["Content-Disposition"] == 'attachment; filename="Airports.csv"'
    assert await downloads() == []
    assert (await client.head(url, headers={"If-None-Match": ETAG})).status_code == 304


async def test_empty_file_comes_whole_and_has_no_range(client, finish):
    export = await sync_to_async(finish)(b"")
    url = f"/exports/{export.pk}/file"

    whole = await client.get(url)
    ranged = await client.get(url, headers={"Range": "bytes=0-"})

    assert (whole.status_code, await body(whole), whole["Content-Length"]) == (200, b"", "0")
    assert (ranged.status_code, ranged["Content-Range"]) == (416, "bytes */0")


async def test_only_the_requested_range_is_read(client, export, monkeypatch):
    read = []
    opened = storage.open_at

    class Watched:
        def __init__(self, *args):
            self._file = opened(*args)
            self.close = self._file.close

        def read(self, size):
            block = self._file.read(size)
            read.append(len(block))
            return block

    monkeypatch.setattr(storage, "open_at", Watched)

    response = await client.get(f"/exports/{export.pk}/file", headers={"Range": "bytes=9-400008"})
    await body(response)

    assert sum(read) == 400_000
    assert max(read) <= download.BLOCK_BYTES
