"""A bucket for files of any size, which nobody but us can read (object storage).

django-storages' own storage keeps a file that it reads in memory, and a part of each that
it writes. Here both are on disk, and some bytes of a file are one ranged GET.
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
# A larger file goes up in chunks, each of which is tried again by itself. A part of 100 000
# rows is smaller, and one request. S3 takes 10 000 chunks: beyond 156 GiB boto makes them larger.
MULTIPART_BYTES = 32 * MIB
CHUNK_BYTES = 16 * MIB
CHUNKS_AT_ONCE = 4

CLIENT = Config(
    connect_timeout=5,
    read_timeout=60,
    # With pauses in between, for what may pass: a lost connection, a 500, a 503.
    retries={"mode": "standard", "total_max_attempts": 3},
    # Checksums that not every service knows. Ours are compared anyway: of each part when the
    # file is put together, and of the file by whoever wants.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    # Web processes read for many people at once.
    max_pool_connections=50,
)


class S3Files(S3Storage):  # type: ignore[misc]  # It has no types.
    """`bucket_name`, `location`, `endpoint_url`, `region_name` and `addressing_style` are for
    its OPTIONS; credentials come from the environment, or from boto's own chain.
    """

    client_config: Any

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.client_config = self.client_config.merge(CLIENT)

    def get_default_settings(self) -> dict[str, Any]:
        return {
            **super().get_default_settings(),
            "default_acl": None,  # The bucket's own. ACLs are off in new buckets.
            "querystring_auth": True,
            "signature_version": "s3v4",
            # Each attempt has names of its own, so what is overwritten is what the very same
            # attempt had sent. Asking first would cost a request, and the right to list.
            "file_overwrite": True,
            # Never guessed by the name: of ".csv.gz" it would make a Content-Encoding, which
            # browsers undo, and the checksum would not be that of what they save.
            "object_parameters": {"ContentType": "application/octet-stream"},
            "transfer_config": TransferConfig(
                multipart_threshold=MULTIPART_BYTES,
                multipart_chunksize=CHUNK_BYTES,
                max_concurrency=CHUNKS_AT_ONCE,
            ),
        }

    @property
    def client(self) -> Any:
        """One for all threads. `connection` makes one for each, and a request has its own."""
        return self.bucket.meta.client

    def open_at(self, name: str, first: int, length: int) -> IO[bytes]:
        """So many bytes of it, as they come. Raises FileNotFoundError."""
        key = self._key(name)
        # There is no range of nothing.
        ranged = {"Range": f"bytes={first}-{first + length - 1}"} if length else {}
        with _missing_files(name):
            answer = self.client.get_object(Bucket=self.bucket_name, Key=key, **ranged)
        if answer["ContentLength"] != length:
            answer["Body"].close()
            raise OSError(f"{name}: asked for {length} bytes, got {answer['ContentLength']}.")
        return cast("IO[bytes]", answer["Body"])

    def link(self, name: str, lifetime: timedelta, headers: dict[str, str]) -> str:
        """A signed address that answers with `headers` to whoever has it, for that long."""
        answered = {f"Response{header.replace('-', '')}": text for header, text in headers.items()}
        signed: str = self.client.generate_presigned_url(
            "get_object",
            Params={"Bucket": self.bucket_name, "Key": self._key(name), **answered},
            ExpiresIn=int(lifetime.total_seconds()),
        )
        return signed

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        """A copy of it on disk, which can be sought in and goes when it is closed."""
        if mode != "rb":
            raise ValueError(f"Files are opened to be read ({mode!r} is not); save() writes them.")
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
            # Of a file on disk boto holds no chunks in memory.
            self.client.upload_file(
                path(),
                self.bucket_name,
                self._key(name),
                ExtraArgs=self._get_write_parameters(name, content),
                Config=self.transfer_config,
            )
        except S3UploadFailedError as error:
            # Its text has the path of our work file. What S3 said is behind it.
            raise error.__context__ or error from None
        return cast("str", clean_name(name))

    def _key(self, name: str) -> str:
        return cast("str", self._normalize_name(clean_name(name)))


@contextmanager
def _missing_files(name: str) -> Iterator[None]:
    """Say in the words of other storages that there is no such object."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in {"404", "NoSuchKey"}:
            raise FileNotFoundError(f"There is no {name} in the bucket.") from error
        raise
