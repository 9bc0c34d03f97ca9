"""A library whose relations are as bad as real ones."""

from __future__ import annotations

import pytest

# Models are imported inside the fixtures: pytest loads this file before Django's apps.


@pytest.fixture(autouse=True)
def _own_tables():
    from tests.support.library_models import tables

    with tables():
        yield


@pytest.fixture
def library():
    """Ann wrote two books and has three awards; Bob has neither; Cid's country is not there."""
    from tests.support.library_models import Author, Award, Book, Country, Profile, Tag

    Country.objects.create(code="at", name="Austria")
    ann, bob, cid = (
        Author.everyone.create(name=name, born=born, country_id=country, deleted=deleted)
        for name, born, country, deleted in [
            ("Ann", 1900, "at", False),
            ("Bob", 1950, "at", True),
            ("Cid", 1900, "nowhere", False),
        ]
    )
    Author.everyone.filter(pk=bob.pk).update(mentor=cid)
    Profile.objects.create(author=ann, motto="=carpe")
    for number, author in enumerate([ann, ann, cid], start=1):
        book = Book.objects.create(title=f"B{number}", price=number, year=2000, author=author)
        book.tags.add(*(Tag.objects.create(word=f"t{n}") for n in range(number)))
    Book.objects.create(title="B4", price=4, year=2001, author_id=99)
    for points in (1, 2, 4):
        Award.objects.create(author=ann, points=points)
    return ann, bob, cid
