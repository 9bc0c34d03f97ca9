"""The project's settings, with django-unfold before the admin, as its manual says."""

from __future__ import annotations

from csp.constants import UNSAFE_EVAL, UNSAFE_INLINE

from config.settings import *  # noqa: F403
from config.settings import CONTENT_SECURITY_POLICY, INSTALLED_APPS

INSTALLED_APPS = ["unfold", *INSTALLED_APPS, "tests.themed"]
# Its pages have scripts and styles inline, and a library that evaluates attributes.
_own = CONTENT_SECURITY_POLICY["DIRECTIVES"]["default-src"]
CONTENT_SECURITY_POLICY["DIRECTIVES"] |= {
    "script-src": [*_own, UNSAFE_INLINE, UNSAFE_EVAL],
    "style-src": [*_own, UNSAFE_INLINE],
}
