"""How many failures are allowed, and how long they count. `throttle` says why. No Django here:
the settings read it.
"""

from __future__ import annotations

from datetime import timedelta

COOL_OFF = timedelta(minutes=15)
# What is counted, as Axes names it, and the failures that lock it.
LIMITS: tuple[tuple[str | list[str], int], ...] = (
    (["username", "ip_address"], 5),
    ("ip_address", 30),
    ("username", 50),
)
COUNTED = [counted for counted, _ in LIMITS]
PAIR_FAILURES = LIMITS[0][1]
