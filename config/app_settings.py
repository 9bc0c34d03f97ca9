"""The settings of `exports` and `notifications` that environment variables set.

Only variables that are set become Django settings. For the others the apps use the defaults in
`exports/conf.py` and `notifications/conf.py`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from environs import Env, EnvError, validate
from pydantic import ByteSize, TypeAdapter

if TYPE_CHECKING:
    from collections.abc import Callable

AT_LEAST_1 = validate.Range(min=1)
AT_LEAST_0 = validate.Range(min=0)
WEEK = 7 * 24 * 3600  # Seconds: the longest lifetime of a signed link that S3 accepts.

_byte_size = TypeAdapter(ByteSize)


def read(env: Env) -> dict[str, Any]:
    """Return the settings whose variables are set. Raise EnvError for an invalid value."""
    return {name: parse(name) for name, parse in parsers(env).items() if name in os.environ}


def parsers(env: Env) -> dict[str, Callable[[str], Any]]:
    """Return each variable with the function that reads it from `env`."""
    env.add_parser("size", size)
    positive = partial(env.int, validate=AT_LEAST_1)
    count = partial(env.int, validate=AT_LEAST_0)  # 0 stands for none, or for no limit.
    seconds = partial(env.float, validate=validate.Range(min=0, min_inclusive=False))
    return {
        "EXPORTS_PART_ROWS": positive,
        "EXPORTS_PAGE_ROWS": positive,
        "EXPORTS_PARALLEL": count,
        "EXPORTS_TURN_SECONDS": partial(env.float, validate=AT_LEAST_0),
        "EXPORTS_LEASE_SECONDS": positive,
        "EXPORTS_MAX_ATTEMPTS": positive,
        "EXPORTS_LOG_LINES": positive,
        "EXPORTS_LOG_BYTES": env.size,
        "EXPORTS_EXPIRE_DAYS": positive,
        "EXPORTS_RETENTION_DAYS": positive,
        "EXPORTS_MAX_ACTIVE": count,
        "EXPORTS_MAX_REQUESTS_PER_MINUTE": count,
        "EXPORTS_MAX_REQUESTS_PER_DAY": count,
        "EXPORTS_MAX_ROWS": count,
        "EXPORTS_MAX_BYTES": env.size,
        "EXPORTS_MAX_STORED_BYTES_PER_USER": env.size,
        "EXPORTS_MAX_STORED_BYTES": env.size,
        "EXPORTS_MIN_FREE_BYTES": env.size,
        "EXPORTS_REQUEST_CONTEXT": env.str,
        "EXPORTS_PREVIEWS": positive,
        "EXPORTS_DOWNLOAD": partial(
            env.str, validate=validate.OneOf(("stream", "accel", "redirect"))
        ),
        "EXPORTS_ACCEL_PREFIX": partial(
            env.str,
            validate=validate.Regexp(r"/([\w-]+/)+\Z", error="Must be like /protected-files/."),
        ),
        "EXPORTS_LINK_SECONDS": partial(env.int, validate=validate.Range(min=1, max=WEEK)),
        "NOTIFICATIONS_SWEEP_SECONDS": seconds,
        "NOTIFICATIONS_HEARTBEAT_SECONDS": seconds,
        "NOTIFICATIONS_WINDOW": positive,
        "NOTIFICATIONS_STALLED_SECONDS": seconds,
        "NOTIFICATIONS_MAX_CONNECTIONS": count,
        "NOTIFICATIONS_RETENTION_DAYS": positive,
        "NOTIFICATIONS_AUDIT_DAYS": partial(env.int, validate=validate.Range(min=1, max=36_500)),
        "NOTIFICATIONS_DATABASE_THREADS": positive,
    }


def size(text: str) -> int:
    """Parse a size in bytes: "1000" is 1000, "10KB" is 10 000, "1.5KiB" is 1536.

    Raise EnvError, which describes the format, for any other text.
    """
    written = text.strip()
    with suppress(ValueError):  # This includes pydantic's ValidationError.
        found = int(_byte_size.validate_python(written))
        # A fraction of a byte is a mistake: the unit is missing.
        if "." not in written or not written[-1].isdigit():
            return found
    raise EnvError(
        "Not a valid size: a number of bytes, or a number with KB, MB, GB, TB, KiB, MiB, GiB or TiB."
    )
