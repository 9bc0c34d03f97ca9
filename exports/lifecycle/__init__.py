"""The life of an export: the only package that writes exports and parts.

It decides which moves an export makes, and which limits hold. Pages, the API, the admin and
commands pass a spec to `start`, and call the other functions in `__all__`. Workers report through
`attempts` and `parts`. This package knows neither the rows of an export nor the format of its file.
"""

from __future__ import annotations

from exports.lifecycle.requests import cancel, pause, resume, retry, run_again, start

__all__ = ["cancel", "pause", "resume", "retry", "run_again", "start"]
