"""Models with keys, managers and relations of every kind. Their fields have the same names.

`installed` makes them an app with tables for a block. Outside it no test sees them.
"""

# ruff: noqa: DJ001 - a missing value is a value to be tested, in texts too.
from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import connection, models
from django.test.utils import modify_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

LABEL = "differential"
IS_POSTGRES = connection.vendor == "postgresql"
FOLDED = "differential_folded" if IS_POSTGRES else "NOCASE"
# The PostgreSQL of the tests is built without ICU; TEST_DATABASE_URL may name one that has it.
ICU = "provider = icu, locale = 'und-u-ks-level2', deterministic = false"
OTHER = "provider = builtin, locale = 'C.UTF-8'"


class Shown(models.Manager[Any]):
    """A soft delete: the default manager hides rows that are marked."""

    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().filter(hidden=False)


class Place(models.Model):
    code = models.CharField(max_length=20, primary_key=True)
    name = models.TextField(null=True)
    region = models.ForeignKey(
        "self", models.DO_NOTHING, null=True, db_constraint=False, related_name="+"
    )

    class Meta:
        app_label = LABEL


class Fields(models.Model):
    """What every root has. `place` is required, and may point nowhere all the same."""

    group = models.SmallIntegerField(null=True)
    number = models.IntegerField(null=True)
    text = models.TextField(null=True)
    day = models.DateField(null=True)
    price = models.DecimalField(max_digits=9, decimal_places=2, null=True)
    hidden = models.BooleanField(default=False)
    place = models.ForeignKey(Place, models.DO_NOTHING, db_constraint=False, related_name="+")
    perhaps = models.ForeignKey(Place, models.DO_NOTHING, null=True, related_name="+")

    class Meta:
        abstract = True


class Family(Fields):
    """What a root has whose key other tables can refer to."""

    parent = models.ForeignKey(
        "self", models.DO_NOTHING, null=True, db_constraint=False, related_name="children"
    )

    class Meta:
        abstract = True


class Number(Family):
    id = models.BigIntegerField(primary_key=True)

    class Meta:
        app_label = LABEL


class Word(Family):
    id = models.CharField(max_length=40, primary_key=True)

    class Meta:
        app_label = LABEL


class Token(Family):
    id = models.UUIDField(primary_key=True)

    class Meta:
        app_label = LABEL


class Shy(Family):
    id = models.IntegerField(primary_key=True)

    objects = Shown()
    everything: models.Manager[Any] = models.Manager()

    class Meta:
        app_label = LABEL


class Special(Number):
    """Of two tables."""

    level = models.IntegerField(null=True)

    class Meta:
        app_label = LABEL


class Alias(Number):
    """Hides rows that its table has."""

    objects = Shown()

    class Meta:
        proxy = True
        app_label = LABEL


class Bytes(Fields):
    id = models.BinaryField(primary_key=True)

    class Meta:
        app_label = LABEL


class Pair(Fields):
    pk = models.CompositePrimaryKey("left", "right")
    left = models.CharField(max_length=20)
    right = models.BigIntegerField()

    class Meta:
        app_label = LABEL


class Folded(Fields):
    """Upper and lower case are equal in its key."""

    id = models.CharField(max_length=20, primary_key=True, db_collation=FOLDED)

    class Meta:
        app_label = LABEL


class Seen(Fields):
    """A view, whose key nothing keeps from repeating or from being NULL."""

    id = models.SmallIntegerField(primary_key=True)
    place = models.ForeignKey(Place, models.DO_NOTHING, db_constraint=False, related_name="+")

    class Meta:
        app_label = LABEL
        managed = False


def _many(root: type[models.Model], suffix: str, name: str, link: Any) -> type[models.Model]:
    return type(
        f"{root.__name__}{suffix}",
        (models.Model,),
        {
            "__module__": __name__,
            "root": link(root, models.CASCADE, related_name=name),
            "number": models.IntegerField(null=True),
            "text": models.TextField(null=True),
            "Meta": type("Meta", (), {"app_label": LABEL}),
        },
    )


FAMILIES = (Number, Word, Token, Shy)
RELATED = {
    root: {
        "items": _many(root, "Item", "items", models.ForeignKey),
        "marks": _many(root, "Mark", "marks", models.ForeignKey),
        "extra": _many(root, "Extra", "extra", models.OneToOneField),
    }
    for root in FAMILIES
}
ROOTS: dict[str, type[Any]] = {
    root.__name__: root for root in (*FAMILIES, Special, Alias, Bytes, Pair, Folded, Seen)
}
_TABLES: list[type[models.Model]] = [
    Place,
    *FAMILIES,
    Special,
    Bytes,
    Pair,
    Folded,
    *(model for related in RELATED.values() for model in related.values()),
]
_VIEW = (
    'CREATE VIEW differential_seen AS SELECT "group" AS id, "group", number, text, day, price,'
    " hidden, place_id, perhaps_id FROM differential_number"
)


def stored(root: type[models.Model]) -> type[models.Model]:
    """The model that has the rows of `root`."""
    return Number if root in {Alias, Seen} else root


def has_family(root: type[models.Model]) -> bool:
    return issubclass(root, Family)


def related(root: type[models.Model], name: str) -> type[models.Model]:
    return RELATED[Number if issubclass(root, Number) else root][name]


def empty() -> None:
    """Delete all rows, without a query for what refers to them."""
    with connection.cursor() as cursor:
        for model in reversed(_TABLES):
            cursor.execute(f"DELETE FROM {model._meta.db_table}")


@contextmanager
def installed() -> Iterator[None]:
    """The app and its tables are there for the block only."""
    with modify_settings(INSTALLED_APPS={"append": __package__}):
        apps.clear_cache()  # Relations are looked up in the apps that are installed.
        with connection.cursor() as cursor:
            if IS_POSTGRES:
                cursor.execute(
                    "SELECT 1 FROM pg_collation WHERE collprovider = 'i' AND collname <> 'unicode'"
                )
                way = ICU if cursor.fetchone() else OTHER
                cursor.execute(f"CREATE COLLATION {FOLDED} ({way})")
        with connection.schema_editor() as editor:
            for model in _TABLES:
                editor.create_model(model)
            editor.execute(_VIEW)
        try:
            yield
        finally:
            with connection.schema_editor() as editor:
                editor.execute("DROP VIEW differential_seen")
                for model in reversed(_TABLES):
                    editor.delete_model(model)
                if IS_POSTGRES:
                    editor.execute(f"DROP COLLATION {FOLDED}")
    apps.clear_cache()
