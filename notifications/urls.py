"""The URLs of the inbox pages. `inbox.api` has the URLs of the API."""

from __future__ import annotations

from django.urls import path

from notifications.inbox import views

app_name = "notifications"
urlpatterns = [
    path("", views.inbox_page, name="inbox"),
    path("latest", views.latest, name="latest"),
    path("read", views.read, name="read"),
    path("preferences", views.preferences, name="preferences"),
]
