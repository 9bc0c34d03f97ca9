"""The settings of production for a project whose middleware finds the tenant of a request."""

from __future__ import annotations

from config.settings import *  # noqa: F403 - all of them
from config.settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [*INSTALLED_APPS, "tests.tenancy"]
MIDDLEWARE = [*MIDDLEWARE, "tests.tenancy.requests.tenancy"]
EXPORTS_REQUEST_CONTEXT = "tests.tenancy.requests.Tenants"
