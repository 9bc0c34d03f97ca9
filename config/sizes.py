"""Sizes in settings: a number of bytes, or a number with a unit."""

from __future__ import annotations

import re

from environs import Env, EnvError

_UNITS = {
    "": 1,
    **{f"{letter}B": 1000**power for power, letter in enumerate("KMGT", start=1)},
    **{f"{letter}IB": 1024**power for power, letter in enumerate("KMGT", start=1)},
}


def with_sizes(env: Env) -> Env:
    """Let `env.size` read a size."""
    env.add_parser("size", size)
    return env


def size(text: str | int) -> int:
    """Return the bytes that `text` names. Raises EnvError, which says what a size looks like.

    "1000" is 1000 bytes, "10KB" 10 000, "10KiB" 10 240. There is a space before a unit or none.
    """
    if found := re.fullmatch(
        r"(-?)([0-9]+(?:\.[0-9]+)?) ?((?:[KMGT]I?B)?)", str(text).strip().upper()
    ):
        sign, number, unit = found.groups()
        if sign:
            raise EnvError("Must be greater than or equal to 0.")
        if unit or "." not in number:
            return (
                int(float(number) * _UNITS[unit]) if "." in number else int(number) * _UNITS[unit]
            )
    raise EnvError(
        "Not a valid size: a number of bytes, or a number with KB, MB, GB, TB, KiB, MiB, GiB or TiB."
    )
