"""The pages of exports. The API's URLs are in `api`."""

from __future__ import annotations

from django.urls import path

from exports import choosing, views

app_name = "exports"
urlpatterns = [
    path("", views.Dashboard.as_view(), name="dashboard"),
    path("", views.Dashboard.as_view(), name="create"),
    path("new/<str:name>/", choosing.Choose.as_view(), name="choose"),
    path("new/<str:name>/preview", choosing.look, name="preview"),
    path("presets/<int:pk>/run", choosing.run_preset, name="run_preset"),
    path("presets/<int:pk>/delete", choosing.delete_preset, name="delete_preset"),
    path("<uuid:pk>/", views.detail, name="detail"),
    path("<uuid:pk>/card", views.card, name="card"),
    path("<uuid:pk>/log.txt", views.log_text, name="log_text"),
    path("<uuid:pk>/file", views.file, name="file"),
    path("<uuid:pk>/cancel", views.cancel, name="cancel"),
    path("<uuid:pk>/pause", views.pause, name="pause"),
    path("<uuid:pk>/resume", views.resume, name="resume"),
    path("<uuid:pk>/retry", views.retry, name="retry"),
    path("<uuid:pk>/again", views.again, name="again"),
]
