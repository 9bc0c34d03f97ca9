"""The project's settings with what other projects have besides.

USER_KEY says which users: "uuid" or "text". Without it they are Django's own.
"""

from __future__ import annotations

import os

from config.settings import *  # noqa: F403
from config.settings import DATABASES, INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [*INSTALLED_APPS, "tests.grown"]
if _key := os.environ.get("USER_KEY"):
    INSTALLED_APPS = [f"tests.grown.by_{_key}", *INSTALLED_APPS]
    AUTH_USER_MODEL = f"by_{_key}.Person"
ROOT_URLCONF = "tests.grown.urls"
FORCE_SCRIPT_NAME = "/sub"
STATIC_URL = "/sub/static/"
USE_THOUSAND_SEPARATOR = True
DATABASES["default"]["ATOMIC_REQUESTS"] = True
GZIP = "django.middleware.gzip.GZipMiddleware"
MIDDLEWARE = [GZIP if each == "config.middleware.CompressPages" else each for each in MIDDLEWARE]
