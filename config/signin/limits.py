"""The limits of failed sign-ins, which `throttle` explains.

The settings import this module, so it must not import Django.
"""

from __future__ import annotations

from datetime import timedelta

COOL_OFF = timedelta(minutes=15)  # A count is reset after this time without a failure.
# What Axes counts failures by, and how many failures lock it.
LIMITS: tuple[tuple[str | list[str], int], ...] = (
    (["username", "ip_address"], 5),
    ("ip_address", 30),
    ("username", 50),
)
COUNTED = [counted for counted, _ in LIMITS]
# Axes supports only one limit: this one. `throttle` scales the other counts to it.
PAIR_FAILURES = LIMITS[0][1]
