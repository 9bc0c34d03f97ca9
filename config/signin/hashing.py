"""Django's password hasher with a limit of hashes that run at once in one process.

By design a hash takes a core for half a second. A thread that waits for its turn takes none.
"""

from __future__ import annotations

from threading import BoundedSemaphore

from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher

_slots = BoundedSemaphore(settings.SIGNIN_HASHES)


class BoundedPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """Has the algorithm and the name of its base, so both read each other's hashes."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        with _slots:
            return super().encode(password, salt, iterations)
