"""The password hasher of Django, of which only so many run at once in one process.

A hash is half a second of one core by design. Waiting for it costs nothing.
"""

from __future__ import annotations

from threading import BoundedSemaphore

from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher

_slots = BoundedSemaphore(settings.SIGNIN_HASHES)


class BoundedPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """The same algorithm under the same name: it reads and writes the same hashes."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        with _slots:
            return super().encode(password, salt, iterations)
