"""Database triggers that refuse to change entries of the audit trail. Only `prune` can remove them.

They apply to every program that connects with Waybill's database role: the ORM, raw SQL, a shell.
They do not stop a role that may change the schema: the owner of the table, who can drop a trigger,
or a superuser. docs/operations.md describes stronger protection.

A migration that makes SQLite copy the table drops the triggers, so it must run INSTALL again.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from django.db import connections, transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

REFUSAL = "Entries of the audit trail are never changed, and only removed by prune_events."
# The triggers recognize `prune` by a setting of the transaction on PostgreSQL, and by the result of
# a function on SQLite. Other programs that connect to SQLite lack the function, so their DELETE
# fails.
SETTING, FUNCTION = "waybill.audit_pruning", "waybill_prunes_audit"

INSTALL = {
    "postgresql": [
        f"""
        CREATE FUNCTION {{name}}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP <> 'UPDATE' AND current_setting('{SETTING}', true) = 'on' THEN
                RETURN OLD;
            END IF;
            RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'integrity_constraint_violation';
        END $$
        """,
        """
        CREATE TRIGGER {name}_kept BEFORE UPDATE OR DELETE ON {name}
        FOR EACH ROW EXECUTE FUNCTION {name}_refuse()
        """,
        """
        CREATE TRIGGER {name}_not_emptied BEFORE TRUNCATE ON {name}
        FOR EACH STATEMENT EXECUTE FUNCTION {name}_refuse()
        """,
    ],
    "sqlite": [
        f"""
        CREATE TRIGGER {{name}}_not_changed BEFORE UPDATE ON {{name}}
        BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END
        """,
        f"""
        CREATE TRIGGER {{name}}_kept BEFORE DELETE ON {{name}} WHEN NOT {FUNCTION}()
        BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END
        """,
        # INSERT OR REPLACE removes a row without calling the trigger above.
        f"""
        CREATE TRIGGER {{name}}_not_replaced BEFORE INSERT ON {{name}}
        WHEN EXISTS (SELECT 1 FROM {{name}} WHERE id = NEW.id OR slot = NEW.slot)
        BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END
        """,  # noqa: S608 - the names are constants
    ],
}
REMOVE = {
    "postgresql": [
        "DROP TRIGGER {name}_kept ON {name}",
        "DROP TRIGGER {name}_not_emptied ON {name}",
        "DROP FUNCTION {name}_refuse()",
    ],
    "sqlite": [
        "DROP TRIGGER {name}_not_changed",
        "DROP TRIGGER {name}_kept",
        "DROP TRIGGER {name}_not_replaced",
    ],
}

_prunes: ContextVar[bool] = ContextVar("prunes_audit", default=False)


def statements(templates: dict[str, list[str]], vendor: str, table: str) -> list[str]:
    """Return the SQL of INSTALL or REMOVE for `table`. Other databases get no triggers."""
    return [statement.format(name=table) for statement in templates.get(vendor, [])]


def add_sqlite_function(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Define the function that the trigger calls on a new connection to SQLite."""
    if connection.vendor == "sqlite":
        connection.connection.create_function(FUNCTION, 0, _prunes.get)


@contextmanager
def pruning(using: str) -> Iterator[None]:
    """Open a transaction in which entries may be removed."""
    is_postgres = connections[using].vendor == "postgresql"
    token = _prunes.set(True)
    try:
        with transaction.atomic(using):
            if is_postgres:
                _set(using, "on")
            yield
            if is_postgres:  # An outer transaction that continues must not keep the permission.
                _set(using, "off")
    finally:
        _prunes.reset(token)


def _set(using: str, value: str) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, true)", [SETTING, value])
