"""The database backend that Django loads for the ENGINE "config.postgresql"."""

from __future__ import annotations

import time
from typing import Any

import psycopg
from django.db.backends.postgresql import base

from config.supply import supply


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Take a connection from the pool or the server, and report the result to `supply`."""
        began = time.monotonic()
        try:
            connection = super().get_new_connection(conn_params)
        except psycopg.Error:
            supply.failed(began)
            raise
        supply.succeeded()
        return connection
