"""The project's settings, with replicas of the database in the files that REPLICAS names.

The database is called "primary", and the default one is none.
"""

from __future__ import annotations

import os
from itertools import cycle

from config.settings import *  # noqa: F403
from config.settings import DATABASES

_database = DATABASES["default"]
_files = dict(enumerate(os.environ["REPLICAS"].split(os.pathsep)))
DATABASES = {
    "default": {},
    "primary": _database,
    **{f"replica-{number}": {**_database, "NAME": name} for number, name in _files.items()},
}
DATABASE_ROUTERS = ["tests.replicated.settings.PrimaryReplicaRouter"]


class PrimaryReplicaRouter:
    """Reads from a replica, which is as old as its file, and writes to the primary.

    As in Django's documentation, but in turn: by chance would be the same one now and then.
    """

    replicas = cycle(f"replica-{number}" for number in _files)

    def db_for_read(self, model, **hints):
        return next(self.replicas)

    def db_for_write(self, model, **hints):
        return "primary"

    def allow_relation(self, obj1, obj2, **hints):
        return True
