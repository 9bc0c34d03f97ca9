"""The project's settings, and django-unfold before the admin, as its manual says."""

from __future__ import annotations

from csp.constants import UNSAFE_EVAL, UNSAFE_INLINE

from config.settings import *  # noqa: F403
from config.settings import CONTENT_SECURITY_POLICY, INSTALLED_APPS

INSTALLED_APPS = ["unfold", *INSTALLED_APPS]
ROOT_URLCONF = "tests.unfold.urls"
# Its pages have scripts and styles inline, and a library that evaluates attributes.
_sources = CONTENT_SECURITY_POLICY["DIRECTIVES"]["default-src"]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        **CONTENT_SECURITY_POLICY["DIRECTIVES"],
        "script-src": [*_sources, UNSAFE_INLINE, UNSAFE_EVAL],
        "style-src": [*_sources, UNSAFE_INLINE],
    },
}
