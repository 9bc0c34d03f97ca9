"""The sign-in forms of the site and of the admin, with a maximum length of the password."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.core.validators import MaxLengthValidator

# Characters. Django once had the same limit, against costly hashes of long passwords.
MAX_PASSWORD = 4096


class BoundedPassword:
    """Refuses a password of more than MAX_PASSWORD characters before it is hashed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields  # type: ignore[attr-defined]
        fields["password"].validators.append(MaxLengthValidator(MAX_PASSWORD))


class SignInForm(BoundedPassword, AuthenticationForm):
    pass


class AdminSignInForm(BoundedPassword, AdminAuthenticationForm):
    pass
