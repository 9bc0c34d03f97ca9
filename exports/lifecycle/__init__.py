"""The life of an export: the only package that writes exports and parts.

It decides which moves an export makes, and which limits hold. Pages, the API, the admin and
commands call the functions that it exports; workers report through `attempts` and `parts`. It knows
neither which rows an export has nor how a file is written.
"""

from __future__ import annotations

from exports.lifecycle.requests import (
    cancel,
    pause,
    request,
    request_once,
    resume,
    retry,
    run_again,
)

__all__ = [
    "cancel",
    "pause",
    "request",
    "request_once",
    "resume",
    "retry",
    "run_again",
]
