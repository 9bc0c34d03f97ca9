"""The limits of failed sign-ins. `throttle` explains them. The settings import this module,
so it imports no Django.
"""

from __future__ import annotations

from datetime import timedelta

COOL_OFF = timedelta(minutes=15)  # How long a failure counts.
# The parameters by which Axes counts, and the failures that lock each of them.
LIMITS: tuple[tuple[str | list[str], int], ...] = (
    (["username", "ip_address"], 5),
    ("ip_address", 30),
    ("username", 50),
)
COUNTED = [counted for counted, _ in LIMITS]
# Axes knows one limit only: this one. `throttle` scales the other counts to it.
PAIR_FAILURES = LIMITS[0][1]
