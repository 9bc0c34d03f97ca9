"""Models with a field of every type. Only tests of exactness create their tables."""

# ruff: noqa: DJ001 - NULL is a value to test, also in texts
from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.test.utils import isolate_apps

if TYPE_CHECKING:
    from collections.abc import Iterator


class ReversedField(models.CharField):
    """A custom field whose stored value differs from its Python value."""

    def from_db_value(self, value: str | None, *_: Any) -> str | None:
        return None if value is None else value[::-1]

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else str(value)[::-1]


# These models are not in the registry of apps, so they need no migrations and affect no other test.
with isolate_apps("tests"):

    class Place(models.Model):
        code = models.CharField(max_length=40, primary_key=True)
        name = models.TextField()

        class Meta:
            app_label = "tests"

    class Everything(models.Model):
        id = models.AutoField(primary_key=True)
        # Django names the first selected expression f1, and the first cast text cast1.
        f1 = models.IntegerField(null=True)
        cast1 = models.SmallIntegerField(null=True)
        positive_small = models.PositiveSmallIntegerField(null=True)
        positive = models.PositiveIntegerField(null=True)
        big = models.BigIntegerField(null=True)
        positive_big = models.PositiveBigIntegerField(null=True)
        char = models.CharField(max_length=400, null=True)
        text = models.TextField(null=True)
        slug = models.SlugField(null=True)
        url = models.URLField(null=True)
        email = models.EmailField(null=True)
        path = models.FilePathField(null=True)
        file = models.FileField(null=True)
        choice = models.CharField(max_length=1, choices=[("a", "=A"), ("b", "B")], null=True)
        uuid = models.UUIDField(null=True)
        truth = models.BooleanField(null=True)
        date = models.DateField(null=True)
        moment = models.DateTimeField(null=True)
        time = models.TimeField(null=True)
        duration = models.DurationField(null=True)
        decimal = models.DecimalField(max_digits=40, decimal_places=10, null=True)
        money = models.DecimalField(max_digits=9, decimal_places=2, null=True)
        float = models.FloatField(null=True)
        json = models.JSONField(null=True)
        blob = models.BinaryField(null=True)
        address = models.GenericIPAddressField(null=True)
        place = models.ForeignKey(Place, models.CASCADE, null=True)

        class Meta:
            app_label = "tests"

    class Secret(models.Model):
        word = ReversedField(max_length=40, null=True)

        class Meta:
            app_label = "tests"

    class Lists(models.Model):
        """Fields that only PostgreSQL has."""

        integers = ArrayField(models.IntegerField(null=True), null=True)
        texts = ArrayField(models.TextField(), null=True)
        pairs = ArrayField(ArrayField(models.FloatField(), size=2), null=True)
        moments = ArrayField(models.DateTimeField(), null=True)
        secrets = ArrayField(ReversedField(max_length=40), null=True)

        class Meta:
            app_label = "tests"

    class Stop(models.Model):
        """A primary key of several fields with different types."""

        pk = models.CompositePrimaryKey("place_id", "moment", "uuid", "line", "number")
        place = models.ForeignKey(Place, models.CASCADE)
        moment = models.DateTimeField()
        uuid = models.UUIDField()
        line = models.CharField(max_length=40)
        number = models.DecimalField(max_digits=9, decimal_places=2)
        note = models.TextField(null=True)

        class Meta:
            app_label = "tests"

    class Timed(models.Model):
        moment = models.DateTimeField(primary_key=True)

        class Meta:
            app_label = "tests"

    class Priced(models.Model):
        price = models.DecimalField(primary_key=True, max_digits=12, decimal_places=4)

        class Meta:
            app_label = "tests"

    class Small(models.Model):
        id = models.SmallAutoField(primary_key=True)

        class Meta:
            app_label = "tests"

    class Big(models.Model):
        id = models.BigAutoField(primary_key=True)

        class Meta:
            app_label = "tests"


MODELS = (Place, Everything, Secret, Stop, Timed, Priced, Small, Big)


@contextmanager
def tables() -> Iterator[None]:
    """Create the tables during a block."""
    made = [*MODELS, *([Lists] if connection.vendor == "postgresql" else [])]
    with connection.schema_editor() as editor:
        for model in made:
            editor.create_model(model)
    try:
        yield
    finally:
        with connection.schema_editor() as editor:
            for model in reversed(made):
                editor.delete_model(model)
