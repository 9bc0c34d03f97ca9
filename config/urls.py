"""All URLs of the project."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.templatetags.static import static
from django.urls import include, path
from django.utils.functional import lazy
from django.views.generic import RedirectView

from config import errors, health, metrics
from config.api import api
from config.signin.forms import AdminSignInForm, SignInForm
from exports.views.style_guide import style
from notifications.inbox.languages import set_language

admin.site.site_header = admin.site.site_title = "Waybill"
admin.site.login_form = AdminSignInForm

# In production the name has a hash, which is unknown before static files are collected.
icon = lazy(static, str)("exports/waybill.svg")

handler400 = "config.errors.bad_request"
handler403 = "config.errors.permission_denied"
handler404 = "config.errors.page_not_found"
handler500 = "config.errors.server_error"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="exports:dashboard")),
    path("exports/", include("exports.urls")),
    path("style/", style),  # Responds with 404 without DEBUG.
    path("inbox/", include("notifications.urls")),
    path(
        "login/",
        LoginView.as_view(authentication_form=SignInForm, redirect_authenticated_user=True),
        name="login",
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("language/", set_language, name="set_language"),
    path("favicon.ico", RedirectView.as_view(url=icon)),
    # Django's own view redirects to any row with a page, so all staff could find out which rows
    # exist.
    path("admin/r/<path:_row>", errors.disabled_view),
    path("admin/", admin.site.urls),
    path("api/", api.urls),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", metrics.scrape),
]
