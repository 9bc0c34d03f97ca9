"""A user who exports, their browser, and folders for the files."""

from __future__ import annotations

import pytest


@pytest.fixture
def exporter_user(django_user_model):
    """May export flights and nothing else."""
    from django.contrib.auth.models import Permission  # Needs the apps, which are loaded later.

    user = django_user_model.objects.create_user("somebody")
    user.user_permissions.add(Permission.objects.get(codename="export_flight"))
    return user


@pytest.fixture
def signed_in(client, user):
    """The browser of the test module's `user`."""
    client.force_login(user)
    return client


@pytest.fixture
def folder(settings, tmp_path):
    """Where files are stored and parts are written: `files` and `work` of this folder."""
    from tests.support.exporting import use_folders  # Needs the apps, which are loaded later.

    use_folders(settings, tmp_path)
    return tmp_path
