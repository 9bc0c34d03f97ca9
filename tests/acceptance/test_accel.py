"""Files that come through nginx: a web process asks for permission, nginx sends them."""

from __future__ import annotations

import hashlib
import http.client
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from exports.files import storage
from exports.models import Download
from exports.status import Status
from tests.acceptance.conftest import PASSWORD
from tests.services import nginx
from tests.services.waybill import Server
from tests.support.exporting import force_status
from tests.support.starting import start_export
from tests.support.visitor import Visitor

pytestmark = pytest.mark.skipif(not nginx.IS_AVAILABLE, reason="nginx's wheel is for Linux")

CONTENT = bytes(range(256)) * 10_000
SIZE = len(CONTENT)
ETAG = f'"{hashlib.sha256(CONTENT).hexdigest()}"'


@pytest.fixture(scope="module")
def started(run, django_db_setup):
    """An nginx before a web process that leaves it the files, for all tests here."""
    server = Server(run, {"EXPORTS_DOWNLOAD": "accel"})
    service = nginx.Nginx(run, [server.port], files=Path(default_storage.location))
    yield service
    service.stop()
    server.kill()


@pytest.fixture
def proxy(started, transactional_db, valkey):
    return started


@pytest.fixture
def user(proxy):
    from django.contrib.auth.models import User

    return User.objects.create_superuser("demo", password=PASSWORD)


@pytest.fixture
def export(user):
    """A succeeded export with its file."""
    export = start_export(user=user, exporter="airports", label="Flüge")
    with storage.NewFile(digest := hashlib.sha256()) as new:
        new.write(CONTENT)
        name = new.store(storage.file_name(export))
    yield force_status(
        export,
        Status.SUCCEEDED,
        file=name,
        bytes=new.bytes,
        sha256=digest.hexdigest(),
        expires_at=timezone.now() + timedelta(days=7),
    )
    storage.delete_all(export)


@pytest.fixture
def ask(proxy, user):
    """Ask for something as somebody who is signed in: status, headers and content."""
    visitor = Visitor(proxy)
    visitor.sign_in("demo", PASSWORD)
    cookie = f"sessionid={visitor.cookie('sessionid')}"

    def ask(path, method="GET", **headers):
        at = urlsplit(proxy.url)
        with closing(http.client.HTTPConnection(at.hostname, at.port, timeout=30)) as connection:
            connection.request(method, path, headers={"Cookie": cookie, **headers})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    return ask


def test_proxied_file_has_its_headers_ranges_and_etag(ask, export):
    status, headers, content = ask(f"/exports/{export.pk}/file")

    assert (status, content) == (200, CONTENT)
    assert headers["ETag"] == ETAG
    assert headers["Content-Length"] == str(SIZE)
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    assert headers["Content-Disposition"] == (
        "attachment; filename=\"Fluge.csv\"; filename*=UTF-8''Fl%C3%BCge.csv"
    )
    assert headers.get_all("Accept-Ranges") == ["bytes"]
    assert headers["Cache-Control"] == "private, no-cache"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "X-Accel-Redirect" not in headers
    assert "Last-Modified" not in headers
    assert headers["Content-Security-Policy"]

    path = f"/exports/{export.pk}/file"
    has_it, _, nothing = ask(path, **{"If-None-Match": ETAG})
    assert (has_it, nothing) == (304, b"")
    head, headers, empty = ask(path, method="HEAD")
    assert (head, headers["Content-Length"], headers["ETag"], empty) == (200, str(SIZE), ETAG, b"")


@pytest.mark.proves("downloads-resume")
def test_ranges_are_the_same_with_the_proxy(ask, export):
    path = f"/exports/{export.pk}/file"

    for header, first, last in (
        ("bytes=0-0", 0, 0),
        ("bytes=100000-1999999", 100_000, 1_999_999),
        ("bytes=-7", SIZE - 7, SIZE - 1),
    ):
        status, headers, content = ask(path, Range=header)
        assert (status, content) == (206, CONTENT[first : last + 1])
        assert headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
        assert headers["ETag"] == ETAG

    beyond, headers, _ = ask(path, Range=f"bytes={SIZE}-")
    assert (beyond, headers["Content-Range"]) == (416, f"bytes */{SIZE}")
    several, _, content = ask(path, Range="bytes=0-9,20-29")
    assert (several, content) == (200, CONTENT)
    same, _, content = ask(path, Range="bytes=9-", **{"If-Range": ETAG})
    assert (same, content) == (206, CONTENT[9:])
    another, _, content = ask(path, Range="bytes=9-", **{"If-Range": '"another"'})
    assert (another, content) == (200, CONTENT)


@pytest.mark.proves("downloads-check-permission")
def test_internal_path_of_files_cannot_be_requested(ask, export):
    for path in (
        f"/protected-files/{export.file}",
        "/protected-files/",
        f"//protected-files/./{export.file}",
        f"/%70rotected-files/{export.file}",
        f"/static/../protected-files/{export.file}",
    ):
        status, _, content = ask(path, **{"X-Accel-Redirect": path})

        assert status == 404, path
        assert CONTENT[:100] not in content


def test_permission_is_checked_before_the_proxy_sends_the_file(ask, export, user):
    user.is_superuser = False
    user.save(update_fields=["is_superuser"])

    status, _, content = ask(f"/exports/{export.pk}/file")

    assert status == 403
    assert CONTENT[:100] not in content


def test_download_records_the_address_that_the_proxy_appended(ask, export):
    path = f"/exports/{export.pk}/file"

    ask(path)
    ask(path, **{"X-Forwarded-For": "8.8.8.8"})
    ask(path, **{"X-Forwarded-For": "made up, 203.0.113.5, 8.8.4.4"})

    addresses = list(Download.objects.order_by("pk").values_list("address", flat=True))
    assert addresses == ["127.0.0.1", "8.8.8.8", "8.8.4.4"]
