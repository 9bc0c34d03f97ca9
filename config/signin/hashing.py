"""Django's password hasher, with a limit on how many hashes run at once in one process.

By design, a hash takes a core for half a second. A thread that waits for a slot takes no core.
"""

from __future__ import annotations

from threading import BoundedSemaphore

from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher

_slots = BoundedSemaphore(settings.SIGNIN_HASHES)


class BoundedPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """Uses the algorithm and the name of its base class, so each can check the other's hashes."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        with _slots:
            return super().encode(password, salt, iterations)
