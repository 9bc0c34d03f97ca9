"""A download: its name and type, what is not to be had, and who sends the bytes."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import uuid

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, default_storage
from django.test import Client

from exports.files import download
from exports.models import Download, Export, Format
from tests.support.downloading import BOTH, CONTENT, ETAG, SIZE, body

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("folder")]


@pytest.fixture
def refused(user):
    """A client for what is refused: Django renders that in a thread that nobody waits for."""
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture(params=download.METHODS)
def way(request, settings):
    """EXPORTS_DOWNLOAD, once each."""
    settings.EXPORTS_DOWNLOAD = request.param
    return request.param


# -- Names and types -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "name", "kind"),
    [
        ({"format": Format.CSV, "options": {}}, "Airports.csv", "text/csv; charset=utf-8"),
        ({"format": Format.CSV, "options": {"gzip": True}}, "Airports.csv.gz", "application/gzip"),
        (
            {"format": Format.CSV, "options": {"gzip": False}},
            "Airports.csv",
            "text/csv; charset=utf-8",
        ),
        (
            {"format": Format.JSONL, "options": {}},
            "Airports.jsonl",
            "application/jsonl; charset=utf-8",
        ),
        (
            {"format": Format.JSONL, "options": {"gzip": True}},
            "Airports.jsonl.gz",
            "application/gzip",
        ),
        (
            {"format": Format.XLSX, "options": {"gzip": True}},  # It is compressed inside.
            "Airports.xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
        (
            {"format": Format.PARQUET, "options": {}},
            "Airports.parquet",
            "application/vnd.apache.parquet",
        ),
    ],
)
async def test_formats_have_their_extension_and_type(client, finish, fields, name, kind):
    export = await sync_to_async(finish)(**fields)

    response = await client.get(f"/exports/{export.pk}/file")
    await body(response)

    assert export.file.endswith(name.removeprefix("Airports"))
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'
    assert response["Content-Type"] == kind
    assert "Content-Encoding" not in response


async def test_checksum_covers_the_compressed_bytes(client, finish):
    content = gzip.compress(b"faa,name\n")
    export = await sync_to_async(finish)(content, options={"gzip": True})

    response = await client.get(f"/exports/{export.pk}/file", headers={"Accept-Encoding": "gzip"})

    assert f'"{hashlib.sha256(await body(response)).hexdigest()}"' == response["ETag"]


# -- What is not to be had -----------------------------------------------------------------------


@pytest.mark.proves("downloads-check-permission")
@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../secret",
        "exports/../secret",
        "secret",
        "",
        ".",
        "exports",
        "exports/{pk}/../../secret",
        "exports/{pk}/..",
        "exports/{pk}/sub/1.csv",
        "exports\\{pk}\\1.csv",
        "exports/{pk}/1.csv\n",
    ],
)
async def test_forged_file_name_opens_nothing(client, export, folder, name, way):
    (folder / "secret").write_bytes(CONTENT)
    (folder / "files" / "secret").write_bytes(CONTENT)
    await Export.objects.aupdate(file=name.format(pk=export.pk))

    response = await client.get(f"/exports/{export.pk}/file")

    assert response.status_code == 410
    assert "X-Accel-Redirect" not in response
    assert not response.streaming


@pytest.mark.parametrize("where", BOTH)
@pytest.mark.parametrize(
    "odd",
    [
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "1",
        "0",
        "-1",
        "*",
        "%00",
        "' OR 1=1 --",
        "00000000-0000-0000-0000-000000000000",
        "{PK}",
        "{pk}/../{pk}",
        "{pk}%20",
    ],
)
def test_malformed_id_finds_nothing(refused, export, where, odd):
    given = odd.format(pk=export.pk, PK=str(export.pk).upper())

    response = refused.get(where.format(given))

    assert response.status_code == 404


def test_foreign_file_looks_like_a_missing_one(export, url, django_user_model):
    def said(response, pk):
        """Without what is of this request alone."""
        page = response.content.replace(str(pk).encode(), b"")
        return re.sub(rb'value="\w{64}"|data-now="[^"]+"', b"", page)

    other = Client()
    other.force_login(django_user_model.objects.create_user("eve"))
    nobodys = uuid.uuid4()

    theirs = other.get(url, headers={"Range": "bytes=0-9"})
    none = other.get(url.replace(str(export.pk), str(nobodys)))

    assert (theirs.status_code, none.status_code) == (404, 404)
    assert said(theirs, export.pk) == said(none, nobodys)
    assert not Download.objects.exists()


@pytest.mark.proves("downloads-check-permission")
def test_permission_is_checked_for_every_download_method(refused, url, user, way):
    user.user_permissions.clear()

    response = refused.get(url)

    assert response.status_code == 403
    assert not response.has_header("X-Accel-Redirect")
    assert not Download.objects.exists()


@pytest.mark.proves("no-partial-file")
async def test_truncated_stored_file_is_reported_as_damaged(client, export, url):
    os.truncate(default_storage.path(export.file), SIZE - 1)

    response = await client.get(url)

    assert response.status_code == 410
    assert b"The stored file is damaged." in response.content


@pytest.mark.parametrize("step", ["size", "_open"])
async def test_unreachable_storage_gives_503(client, url, step, monkeypatch, downloads):
    def fails(*_):
        raise RuntimeError("Could not connect to the endpoint")

    monkeypatch.setattr(FileSystemStorage, step, fails)

    response = await client.get(url)

    assert response.status_code == 503
    assert b"The file storage is not responding." in response.content
    assert b"endpoint" not in response.content
    assert await downloads() == []


# -- By the proxy, by the storage ----------------------------------------------------------------


async def test_proxy_is_given_the_path_and_headers_of_the_file(client, export, settings):
    settings.EXPORTS_DOWNLOAD = "accel"
    settings.EXPORTS_ACCEL_PREFIX = "/inside/"

    response = await client.get(f"/exports/{export.pk}/file", headers={"Range": "bytes=0-9"})

    assert response.status_code == 200
    assert response.content == b""
    assert response["X-Accel-Redirect"] == f"/inside/{export.file}"
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="Airports.csv"'
    assert response["ETag"] == ETAG


async def test_storage_without_links_names_the_setting_to_change(client, export, settings):
    settings.EXPORTS_DOWNLOAD = "redirect"

    with pytest.raises(ImproperlyConfigured, match="Set EXPORTS_DOWNLOAD to stream"):
        await client.get(f"/exports/{export.pk}/file")
