"""Numbers as people write them."""

from __future__ import annotations

import math

from django.utils.formats import number_format


def number(value: float) -> str:
    """Return a rounded number in the reader's language: "336,776", in German "336.776"."""
    whole = value if isinstance(value, int) else math.floor(value + 0.5)
    return number_format(whole, force_grouping=True)
