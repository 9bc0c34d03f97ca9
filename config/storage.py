"""Build the entry of STORAGES from STORAGE_URL."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

FORMS = (
    "STORAGE_URL must be file:///an/absolute/path or "
    "s3://bucket/prefix?endpoint=https://…&region=…&addressing=path"
)
# The options of a bucket: a pattern for the value, and its description.
OPTIONS = {
    "endpoint": (
        r"https?://[\w\[][\w.:\[\]-]*/?",
        "the address of the service, such as http://127.0.0.1:9000",
    ),
    "region": (r"[\w-]+", "a name such as eu-central-1"),
    "addressing": ("auto|path|virtual", "one of auto, path, virtual"),
}
LOCAL, S3 = "django.core.files.storage.FileSystemStorage", "exports.files.s3.S3Files"


def from_url(url: str) -> dict[str, Any]:
    """Return the storage for `url`. Raise ImproperlyConfigured if it is invalid."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ImproperlyConfigured(f"{FORMS}: {error}.") from error
    if parts.scheme == "file":
        return _local(parts)
    if parts.scheme == "s3":
        return _s3(parts)
    raise ImproperlyConfigured(f"{FORMS}.")


def check_download(method: str | None, storage: dict[str, Any]) -> None:
    """Refuse a value of EXPORTS_DOWNLOAD that this storage does not support."""
    if method == "accel" and storage["BACKEND"] != LOCAL:
        raise ImproperlyConfigured(
            "EXPORTS_DOWNLOAD=accel needs files that nginx can read, so a STORAGE_URL with "
            "file://. With s3:// set EXPORTS_DOWNLOAD to redirect or stream."
        )
    if method == "redirect" and storage["BACKEND"] != S3:
        raise ImproperlyConfigured(
            "EXPORTS_DOWNLOAD=redirect needs a storage that signs links, so a STORAGE_URL with "
            "s3://. With file:// set EXPORTS_DOWNLOAD to accel or stream."
        )


def _local(parts: SplitResult) -> dict[str, Any]:
    path = unquote(parts.path)
    if parts.netloc or parts.query or parts.fragment or not path.startswith("/") or path == "/":
        raise ImproperlyConfigured(
            f"{FORMS}: three slashes, then the path. Percent-encode reserved characters."
        )
    return {
        "BACKEND": LOCAL,
        "OPTIONS": {
            "location": path,
            # Downloads go through a view that checks permissions, so there is no base URL.
            "base_url": None,
            # No other user of the machine may read exported files.
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    }


def _s3(parts: SplitResult) -> dict[str, Any]:
    if "@" in parts.netloc:
        raise ImproperlyConfigured(
            "STORAGE_URL cannot contain credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "or give the machine a role."
        )
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", parts.netloc):
        raise ImproperlyConfigured(f'{FORMS}: "{parts.netloc}" is not the name of a bucket.')
    prefix = unquote(parts.path).strip("/")
    if prefix and {"", ".", ".."} & set(prefix.split("/")):
        raise ImproperlyConfigured(f'{FORMS}: "{prefix}" cannot be a prefix.')
    given = _options(parts)
    return {
        "BACKEND": S3,
        "OPTIONS": {
            "bucket_name": parts.netloc,
            "location": prefix,
            "endpoint_url": given.get("endpoint"),
            "region_name": given.get("region"),
            "addressing_style": given.get("addressing"),
        },
    }


def _options(parts: SplitResult) -> dict[str, str]:
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    given = dict(pairs)
    if parts.fragment or len(given) != len(pairs) or not set(given) <= set(OPTIONS):
        raise ImproperlyConfigured(
            f"{FORMS}: the options after the ? are {', '.join(OPTIONS)}, each once."
        )
    for name, value in given.items():
        pattern, description = OPTIONS[name]
        if not re.fullmatch(pattern, value):
            raise ImproperlyConfigured(f"{FORMS}: {name} is {description}.")
    return given
