"""Sizes in settings: a number of bytes, or a number with a unit."""

from __future__ import annotations

from contextlib import suppress

from environs import Env, EnvError
from pydantic import ByteSize, TypeAdapter

_byte_size = TypeAdapter(ByteSize)


def with_sizes(env: Env) -> Env:
    """Let `env.size` read a size."""
    env.add_parser("size", size)
    return env


def size(text: str | int) -> int:
    """Return the bytes that `text` names. Raise EnvError, which says what a size looks like.

    "1000" is 1000 bytes, "10KB" 10 000, "1.5KiB" 1536.
    """
    written = str(text).strip()
    with suppress(ValueError):  # Pydantic's ValidationError is one.
        found = int(_byte_size.validate_python(written))
        # A fraction of a byte is a mistake: the unit is missing.
        if "." not in written or not written[-1].isdigit():
            return found
    raise EnvError(
        "Not a valid size: a number of bytes, or a number with KB, MB, GB, TB, KiB, MiB, GiB or TiB."
    )
