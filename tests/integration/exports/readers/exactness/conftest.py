"""Tables with a column of every type."""

from __future__ import annotations

import pytest

# Models are imported inside the fixtures: pytest loads this file before Django's apps.


@pytest.fixture(autouse=True)
def _own_tables():
    from tests.support.exactness_models import tables

    with tables():
        yield


@pytest.fixture
def everything():
    from tests.support.exactness_models import Everything
    from tests.support.samples import make_everything

    make_everything()
    return Everything.objects.all()
