"""A private S3 bucket for files of any size.

The storage of django-storages keeps a whole file in memory while it is read, and chunks of each
file that it writes. This one keeps them on disk, and reads a range of a file with a ranged GET.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from django.core.files import File
from storages.backends.s3 import S3Storage
from storages.utils import clean_name

from exports.conf import conf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

MIB = 1024 * 1024
# A larger file is uploaded in chunks, which are retried one by one. A part of 100,000 rows is
# smaller, and takes one request. S3 allows 10,000 chunks: beyond 156 GiB, boto makes them larger.
MULTIPART_BYTES = 32 * MIB
CHUNK_BYTES = 16 * MIB
CHUNKS_AT_ONCE = 4

CLIENT = Config(
    connect_timeout=5,
    read_timeout=60,
    # Transient errors are retried after a pause: lost connections, 500, 503.
    retries={"mode": "standard", "total_max_attempts": 3},
    # Not every service supports S3's checksums. Waybill has its own: of each part, which is
    # compared when the parts are joined, and of the file, which the user can compare.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    # A web process sends files to many users at the same time.
    max_pool_connections=50,
)


class S3Files(S3Storage):  # type: ignore[misc]  # django-storages has no types.
    """A Django storage for the files of exports.

    Its OPTIONS are `bucket_name`, `location`, `endpoint_url`, `region_name` and `addressing_style`.
    Credentials come from the environment, or from boto's chain.
    """

    client_config: Any

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.client_config = self.client_config.merge(CLIENT)

    def get_default_settings(self) -> dict[str, Any]:
        return {
            **super().get_default_settings(),
            "default_acl": None,  # New buckets do not support ACLs.
            "querystring_auth": True,
            "signature_version": "s3v4",
            # Each attempt uses its own names, so it can only overwrite its own files. Looking for
            # the name first would cost a request, and would need the right to list the bucket.
            "file_overwrite": True,
            # Without this, the type is guessed from the name, and ".csv.gz" gets a
            # Content-Encoding. A browser would decompress the file, and its checksum would not
            # match.
            "object_parameters": {"ContentType": "application/octet-stream"},
            "transfer_config": TransferConfig(
                multipart_threshold=MULTIPART_BYTES,
                multipart_chunksize=CHUNK_BYTES,
                max_concurrency=CHUNKS_AT_ONCE,
            ),
        }

    @property
    def client(self) -> Any:
        """One client for all threads. `connection` would create one for each thread."""
        return self.bucket.meta.client

    def open_at(self, name: str, first: int, length: int) -> IO[bytes]:
        """Return a stream of `length` bytes from `first` on. Raise FileNotFoundError."""
        key = self._key(name)
        # A range cannot be empty.
        ranged = {"Range": f"bytes={first}-{first + length - 1}"} if length else {}
        with _missing_files(name):
            answer = self.client.get_object(Bucket=self.bucket_name, Key=key, **ranged)
        if (sent := answer["ContentLength"]) != length:
            answer["Body"].close()
            raise OSError(f"{name}: {length} bytes were requested, but the bucket sends {sent}.")
        return cast("IO[bytes]", answer["Body"])

    def link(self, name: str, lifetime: timedelta, headers: dict[str, str]) -> str:
        """Return a signed URL, which answers with `headers` to anybody who has it."""
        sent = {f"Response{header.replace('-', '')}": text for header, text in headers.items()}
        signed: str = self.client.generate_presigned_url(
            "get_object",
            Params={"Bucket": self.bucket_name, "Key": self._key(name), **sent},
            ExpiresIn=int(lifetime.total_seconds()),
        )
        return signed

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        """Return a seekable copy on disk, which is deleted when it is closed."""
        if mode != "rb":
            raise ValueError(f'Files can only be opened with the mode "rb", not {mode!r}.')
        Path(conf.WORK_DIR).mkdir(mode=0o700, parents=True, exist_ok=True)
        copy = tempfile.TemporaryFile(dir=conf.WORK_DIR)  # noqa: SIM115 - the caller closes it
        try:
            with _missing_files(name):
                self.client.download_fileobj(
                    self.bucket_name, self._key(name), copy, Config=self.transfer_config
                )
        except BaseException:
            copy.close()
            raise
        copy.seek(0)
        return File(copy, name)

    def _save(self, name: str, content: File[bytes]) -> str:
        path = getattr(content, "temporary_file_path", None)
        if path is None:
            return cast("str", super()._save(name, content))
        try:
            # With a path, boto keeps no chunks in memory.
            self.client.upload_file(
                path(),
                self.bucket_name,
                self._key(name),
                ExtraArgs=self._get_write_parameters(name, content),
                Config=self.transfer_config,
            )
        except S3UploadFailedError as error:
            # The text of this error has the path of the work file. Its context is S3's own error.
            raise error.__context__ or error from None
        return cast("str", clean_name(name))

    def _key(self, name: str) -> str:
        return cast("str", self._normalize_name(clean_name(name)))


@contextmanager
def _missing_files(name: str) -> Iterator[None]:
    """Raise FileNotFoundError for a missing object, as other storages do."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in {"404", "NoSuchKey"}:
            raise FileNotFoundError(f"{name} is not in the bucket.") from error
        raise
