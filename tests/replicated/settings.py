"""The project's settings, with a replica of the database in the file that REPLICA names."""

from __future__ import annotations

import os

from config.settings import *  # noqa: F403
from config.settings import DATABASES

DATABASES["replica"] = {**DATABASES["default"], "NAME": os.environ["REPLICA"]}
DATABASE_ROUTERS = ["tests.replicated.settings.PrimaryReplicaRouter"]


class PrimaryReplicaRouter:
    """Reads from the replica, which is as old as its file, and writes to the primary."""

    def db_for_read(self, model, **hints):
        return "replica"

    def db_for_write(self, model, **hints):
        return "default"

    def allow_relation(self, obj1, obj2, **hints):
        return True
