"""The project: settings, URLs and the processes that serve it.

Only this package knows how Waybill is deployed, and no app imports it. The apps read Django
settings by name, so that `exports` and `notifications` can be copied into another project.
Importing it creates the Celery app, which Django's `shared_task` needs.
"""

from __future__ import annotations

from config.celery import app as celery_app

__all__ = ["celery_app"]
