"""STORAGE_URL names a storage, or is refused with the remedy."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.storage import from_url


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("file:///srv/waybill/files", "/srv/waybill/files"),
        ("file:///srv/50%25%20of%20%231", "/srv/50% of #1"),
    ],
)
def test_file_url_gives_private_files(url, location):
    storage = from_url(url)

    assert storage["BACKEND"] == "django.core.files.storage.FileSystemStorage"
    assert storage["OPTIONS"] == {
        "location": location,
        "base_url": None,
        "file_permissions_mode": 0o600,
        "directory_permissions_mode": 0o700,
    }


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("s3://my-exports", {}),
        ("s3://my-exports/", {}),
        ("s3://my-exports/way/bill/", {"location": "way/bill"}),
        ("s3://my-exports?region=eu-central-1", {"region_name": "eu-central-1"}),
        (
            "s3://my-exports/a?endpoint=http://127.0.0.1:9000&region=x&addressing=path",
            {
                "location": "a",
                "endpoint_url": "http://127.0.0.1:9000",
                "region_name": "x",
                "addressing_style": "path",
            },
        ),
        ("s3://my-exports?endpoint=https://[::1]:9000/", {"endpoint_url": "https://[::1]:9000/"}),
    ],
)
def test_bucket_url_gives_a_bucket_with_its_options(url, options):
    storage = from_url(url)

    assert storage["BACKEND"] == "exports.files.s3.S3Files"
    assert storage["OPTIONS"] == {
        "bucket_name": "my-exports",
        "location": "",
        "endpoint_url": None,
        "region_name": None,
        "addressing_style": None,
        **options,
    }


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        *(
            (url, "must be file:///an/absolute/path or s3://bucket")
            for url in ("", "/srv/files", "ftp://files", "https://bucket.s3.example.com", "s3:")
        ),
        *(
            (url, "three slashes, then the path")
            for url in (
                "file://",
                "file:///",
                "file://srv/files",
                "file:files",
                "file:///srv?x=1",
                "file:///srv/files#1",
            )
        ),
        *(
            (url, "is not the name of a bucket")
            for url in ("s3://", "s3:///prefix", "s3://My_Bucket", "s3://ab", "s3://bucket:9000")
        ),
        ("s3://key:secret@bucket", "cannot contain credentials: set AWS_ACCESS_KEY_ID"),
        *(
            (url, "cannot be a prefix")
            for url in ("s3://bucket/..", "s3://bucket/a/%2e%2e/b", "s3://bucket/a//b")
        ),
        *(
            (url, "are endpoint, region, addressing, each once")
            for url in (
                "s3://bucket?acl=public-read",
                "s3://bucket?region=a&region=b",
                "s3://bucket#x",
            )
        ),
        *(
            (f"s3://bucket?endpoint={endpoint}", "endpoint is the address of the service")
            for endpoint in ("", "127.0.0.1:9000", "ftp://x", "http://x/path")
        ),
        ("s3://bucket?addressing=dns", "addressing is one of auto, path, virtual"),
        ("s3://bucket?region=", "region is a name such as"),
        ("s3://[bucket", "must be file:///"),
    ],
)
def test_invalid_storage_url_is_refused_with_the_remedy(url, remedy):
    with pytest.raises(ImproperlyConfigured, match=remedy):
        from_url(url)


def test_refusal_does_not_repeat_credentials():
    with pytest.raises(ImproperlyConfigured) as refused:
        from_url("s3://key:secret@bucket")

    assert "secret" not in str(refused.value).replace("AWS_SECRET_ACCESS_KEY", "").lower()
