"""Models of a library with the faults of real databases: dangling keys, hidden rows.

Their tables exist only inside `tables()`, so they need no migrations.
"""

# ruff: noqa: DJ001 - NULL is a value to test, also in texts
from __future__ import annotations

import enum
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.test.utils import isolate_apps

if TYPE_CHECKING:
    from collections.abc import Iterator

IS_POSTGRES = connection.vendor == "postgresql"
# This collation ignores case, so two different texts may be equal.
COLLATION = "waybill_nocase" if IS_POSTGRES else "NOCASE"


class Shown(models.Manager):
    """Hides deleted rows, as packages for soft deletion do."""

    def get_queryset(self):
        return super().get_queryset().filter(deleted=False)


class Rank(enum.Enum):
    LOW = -5
    MIDDLE = 0
    HIGH = 7


class RankField(models.IntegerField):
    def from_db_value(self, value, expression, connection):
        return None if value is None else Rank(value)

    def to_python(self, value):
        return None if value is None else Rank(int(value))

    def get_prep_value(self, value):
        return value.value if isinstance(value, Rank) else value

    def value_to_string(self, obj):
        return str(self.value_from_object(obj).value)


with isolate_apps("tests") as apps:

    class Country(models.Model):
        code = models.CharField(max_length=20, primary_key=True)
        name = models.CharField(max_length=40, null=True)

        class Meta:
            app_label = "tests"
            ordering: ClassVar = ["name"]

    class Stay(models.Model):
        """A row that refers to a country by its code, without a foreign key."""

        code = models.CharField(max_length=20)
        country = models.ForeignObject(
            Country,
            models.DO_NOTHING,
            from_fields=["code"],
            to_fields=["code"],
            related_name="stays",
        )

        class Meta:
            app_label = "tests"

    class Note(models.Model):
        """A row with a generic relation to any model."""

        text = models.CharField(max_length=40)
        kind = models.ForeignKey(ContentType, models.CASCADE)
        key = models.PositiveIntegerField()
        about = GenericForeignKey("kind", "key")

        class Meta:
            app_label = "tests"

    class Author(models.Model):
        name = models.CharField(max_length=40)
        born = models.IntegerField(null=True)
        # The key is required, but has no constraint, so a row may name a missing country.
        country = models.ForeignKey(
            Country, models.DO_NOTHING, db_constraint=False, related_name="authors"
        )
        mentor = models.ForeignKey("self", models.SET_NULL, null=True, related_name="pupils")
        friends = models.ManyToManyField("self")
        notes = GenericRelation(Note, "key", "kind", related_query_name="author")
        deleted = models.BooleanField(default=False)

        everyone = models.Manager()

        class Meta:
            app_label = "tests"
            base_manager_name = "everyone"

    class AuthorShown(Author):
        objects = Shown()

        class Meta:
            app_label = "tests"
            proxy = True

    class Draft(models.Model):
        """A model whose base manager hides rows as well, although Django advises against it."""

        title = models.CharField(max_length=40)
        author = models.ForeignKey(Author, models.CASCADE, related_name="drafts")
        deleted = models.BooleanField(default=False)

        everything = models.Manager()
        objects = Shown()

        class Meta:
            app_label = "tests"
            base_manager_name = "objects"

    class Page(models.Model):
        draft = models.ForeignKey(Draft, models.CASCADE, related_name="pages")

        class Meta:
            app_label = "tests"

    class Profile(models.Model):
        author = models.OneToOneField(Author, models.CASCADE, related_name="profile")
        motto = models.TextField(null=True)

        class Meta:
            app_label = "tests"

    class Tag(models.Model):
        word = models.CharField(max_length=20)

        class Meta:
            app_label = "tests"

    class Book(models.Model):
        title = models.CharField(max_length=40)
        price = models.DecimalField(max_digits=8, decimal_places=2, null=True)
        year = models.IntegerField()
        author = models.ForeignKey(
            Author, models.DO_NOTHING, db_constraint=False, related_name="books"
        )
        editor = models.ForeignKey(
            Author, models.SET_NULL, null=True, db_constraint=False, related_name="edited"
        )
        tags = models.ManyToManyField(Tag, related_name="books")

        class Meta:
            app_label = "tests"
            ordering: ClassVar = ["-year"]

    class Award(models.Model):
        author = models.ForeignKey(Author, models.CASCADE, related_name="awards")
        points = models.IntegerField()

        class Meta:
            app_label = "tests"

    class Novelist(Author):
        """A child model with its own table, joined to the table of its parent."""

        genre = models.CharField(max_length=20)

        class Meta:
            app_label = "tests"

    class Abstract(models.Model):
        word = models.CharField(max_length=40, null=True)

        class Meta:
            abstract = True

    class ByUUID(Abstract):
        id = models.UUIDField(primary_key=True)

        class Meta:
            app_label = "tests"

    class ByBinary(Abstract):
        id = models.BinaryField(primary_key=True)

        class Meta:
            app_label = "tests"

    class ByNumber(Abstract):
        id = models.BigIntegerField(primary_key=True)

        class Meta:
            app_label = "tests"

    class ByText(Abstract):
        id = models.CharField(max_length=40, primary_key=True, db_collation=COLLATION)

        class Meta:
            app_label = "tests"

    class ByDuration(Abstract):
        id = models.DurationField(primary_key=True)

        class Meta:
            app_label = "tests"

    class ByFloat(Abstract):
        id = models.FloatField(primary_key=True)

        class Meta:
            app_label = "tests"

    class ByTime(Abstract):
        id = models.TimeField(primary_key=True)

        class Meta:
            app_label = "tests"

    class ByDate(Abstract):
        id = models.DateField(primary_key=True)

        class Meta:
            app_label = "tests"

    class ByRank(Abstract):
        """A model whose keys are members of an Enum, for which str() returns another text."""

        id = RankField(primary_key=True)

        class Meta:
            app_label = "tests"

    class ByOther(Abstract):
        """A model whose key is the key of another row, two models away."""

        binary = models.OneToOneField(ByBinary, models.CASCADE, primary_key=True)

        class Meta:
            app_label = "tests"

    class ByOtherYet(Abstract):
        other = models.OneToOneField(ByOther, models.CASCADE, primary_key=True)

        class Meta:
            app_label = "tests"

    class ByBytesAndText(Abstract):
        pk = models.CompositePrimaryKey("left", "right")
        left = models.BinaryField()
        right = models.CharField(max_length=20, db_collation=COLLATION)

        class Meta:
            app_label = "tests"

    class ByPair(Abstract):
        pk = models.CompositePrimaryKey("left", "right")
        left = models.IntegerField()
        right = models.CharField(max_length=20)

        class Meta:
            app_label = "tests"

    class BookLine(models.Model):
        """A view with a row for each book and tag, so its key is not unique."""

        id = models.IntegerField(primary_key=True)
        title = models.CharField(max_length=40)
        word = models.CharField(max_length=20, null=True)

        class Meta:
            app_label = "tests"
            managed = False
            db_table = "tests_bookline"

    class BookLineProxy(BookLine):
        class Meta:
            app_label = "tests"
            proxy = True


MODELS = (
    Country,
    Stay,
    Note,
    Author,
    Draft,
    Page,
    Profile,
    Tag,
    Book,
    Award,
    Novelist,
    ByUUID,
    ByBinary,
    ByNumber,
    ByText,
    ByDuration,
    ByFloat,
    ByTime,
    ByDate,
    ByRank,
    ByOther,
    ByOtherYet,
    ByBytesAndText,
    ByPair,
)
_VIEW = """
CREATE VIEW tests_bookline AS
SELECT tests_book.id, title, word FROM tests_book
LEFT JOIN tests_book_tags ON book_id = tests_book.id
LEFT JOIN tests_tag ON tests_tag.id = tag_id
"""


def _create_collation() -> None:
    """Return a non-deterministic collation, if PostgreSQL has ICU."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_collation WHERE collname LIKE '%-x-icu'")
        [has_icu] = cursor.fetchone()
        icu = "(provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
        how = icu if has_icu else 'FROM "C"'
        cursor.execute(f"CREATE COLLATION IF NOT EXISTS {COLLATION} {how}")


@contextmanager
def tables() -> Iterator[None]:
    """Create the tables during a block."""
    if IS_POSTGRES:
        _create_collation()
    with connection.schema_editor() as editor:
        for model in MODELS:
            editor.create_model(model)
    with connection.cursor() as cursor:
        cursor.execute(_VIEW)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP VIEW tests_bookline")
        with connection.schema_editor() as editor:
            for model in reversed(MODELS):
                editor.delete_model(model)
