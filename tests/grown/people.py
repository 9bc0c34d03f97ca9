"""`python -m tests.grown.people NAME`: make a superuser; write the key, a cookie and a token."""

from __future__ import annotations

import json
import sys

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 - needs the apps

from notifications.api import tokens  # noqa: E402
from notifications.streams.access import user_stream  # noqa: E402
from tests.support.signing_in import session_cookie  # noqa: E402

Person = get_user_model()
name = sys.argv[1]
named = {Person.USERNAME_FIELD: name, "email": f"{name.partition('@')[0]}@example.com"}
person = Person._default_manager.create_superuser(**named, password="a password of the tests")
made = {
    "key": str(person.pk),
    "stream": user_stream(person),
    "cookie": "=".join(session_cookie(person)),
    "token": tokens.create(person, "of the tests"),
}
sys.stdout.write(f"{json.dumps(made)}\n")
