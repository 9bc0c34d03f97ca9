"""A mail server, and users with addresses."""

from __future__ import annotations

import pytest

# Models are imported inside the fixtures: pytest loads this file before Django's apps.


@pytest.fixture
def server(settings):
    """A mail server that runs, and that the settings name."""
    from tests.support.mailserver import MailServer

    server = MailServer()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.EMAIL_TIMEOUT = 30
    settings.SITE_URL = "https://exports.example.com"
    server.start()
    yield server
    server.stop()


@pytest.fixture
def make_user(django_user_model):
    def make(name, **fields):
        fields = {"email": f"{name}@example.com", **fields}
        return django_user_model.objects.create_user(name, **fields)

    return make


@pytest.fixture
def ada(make_user):
    return make_user("ada")
