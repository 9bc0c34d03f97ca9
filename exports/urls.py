"""The pages of exports. The API's URLs are in `api`."""

from __future__ import annotations

from django.urls import path

from exports.views import actions, choose, dashboard, export, presets

app_name = "exports"
urlpatterns = [
    path("", dashboard.Dashboard.as_view(), name="dashboard"),
    # A form of the dashboard starts an export by POST to this URL.
    path("", dashboard.Dashboard.as_view(), name="create"),
    path("new/<str:name>/", choose.choose, name="choose"),
    path("new/<str:name>/preview", choose.preview, name="preview"),
    path("presets/<int:pk>/run", presets.run_preset, name="run_preset"),
    path("presets/<int:pk>/delete", presets.delete_preset, name="delete_preset"),
    path("<uuid:pk>/", export.detail, name="detail"),
    path("<uuid:pk>/card", export.card, name="card"),
    path("<uuid:pk>/log.txt", export.log_text, name="log_text"),
    path("<uuid:pk>/file", export.file, name="file"),
    path("<uuid:pk>/cancel", actions.cancel, name="cancel"),
    path("<uuid:pk>/pause", actions.pause, name="pause"),
    path("<uuid:pk>/resume", actions.resume, name="resume"),
    path("<uuid:pk>/retry", actions.retry, name="retry"),
    path("<uuid:pk>/again", actions.again, name="again"),
]
