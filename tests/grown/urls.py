"""The URLs as docs/copy.md has them, with the API somewhere else."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path
from ninja import NinjaAPI

import exports.api.errors
import exports.api.routes
import notifications.delivery.http_streams
import notifications.inbox.api
from config import health
from notifications.api import problems
from notifications.api.auth import Authenticate
from notifications.inbox.languages import set_language

api = NinjaAPI(auth=Authenticate(), urls_namespace="api")
problems.install(api)
exports.api.errors.install(api)
api.add_router("/", exports.api.routes.router)
api.add_router("/", notifications.delivery.http_streams.router)
api.add_router("/", notifications.inbox.api.router)

urlpatterns = [
    path("exports/", include("exports.urls")),
    path("inbox/", include("notifications.urls")),
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("language/", set_language, name="set_language"),
    path("admin/", admin.site.urls),
    path("rest/", api.urls),
    path("health/live", health.live),
]
