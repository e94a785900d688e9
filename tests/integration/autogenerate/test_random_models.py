"""Random models and random changes of them: what autogenerate writes creates what SQLAlchemy would
create, keeps the rows, goes down to what was there, and up again.
"""

import os
from collections.abc import Iterator
from functools import partial

import pytest
import sqlalchemy as sa
from alembic_live.postgres.connection import make_engine, with_connection
from evolution import CONVENTION, Evolution
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from random_models import State, changed, states
from server import Database

FEW = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # to shrink would take minutes: the failure shows both models
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
MANY = settings(FEW, max_examples=int(os.environ.get("EXAMPLES", "300")), derandomize=False)


@pytest.fixture(scope="module", params=["asyncpg", "psycopg"])
def evolution(
    server: Database, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Evolution]:
    """A history that each example begins again."""
    with server.another(f"random_{request.param}_{os.getpid()}") as database:
        yield Evolution(tmp_path_factory.mktemp("random"), database, request.param)


@FEW
@given(data=st.data())
def test_a_few_random_changes(evolution: Evolution, data: st.DataObject) -> None:
    take(evolution, data)


@pytest.mark.full
@MANY
@given(data=st.data())
def test_many_random_changes(evolution: Evolution, data: st.DataObject) -> None:
    take(evolution, data)


def take(evolution: Evolution, data: st.DataObject) -> None:
    """One change, there and back and there."""
    before = data.draw(states(), "before")
    after, rename = data.draw(changed(before), "after")
    evolution.clear()
    evolution.use(before)
    note(evolution.revise())
    evolution.alembic("upgrade", "head")
    evolution.alembic("check")
    at_first = evolution.snapshot()
    assert at_first == created(evolution, before)
    evolution.execute(before.rows())

    evolution.use(after)
    if after != before:
        note(evolution.revise("allow-drop", *([f"rename={rename}"] if rename else [])))
    evolution.alembic("upgrade", "head")
    evolution.alembic("check")
    at_last = evolution.snapshot()
    assert at_last == created(evolution, after)
    evolution.alembic("downgrade", "first")
    assert evolution.snapshot() == at_first
    evolution.alembic("upgrade", "head")
    assert evolution.snapshot() == at_last


def create(metadata: sa.MetaData, connection: sa.Connection) -> None:
    """Create the tables, as the models' own code does."""
    with connection.begin():
        metadata.create_all(connection)


def created(evolution: Evolution, state: State) -> list[tuple[object, ...]]:
    """The schema that SQLAlchemy creates."""
    metadata = sa.MetaData(naming_convention=CONVENTION)
    state(metadata)
    own = evolution.database
    with own.another(f"created_{os.getpid()}") as database:
        database.query("CREATE SCHEMA side")
        with_connection(make_engine(database.address("psycopg")), partial(create, metadata))
        evolution.database = database
        try:
            return evolution.snapshot()
        finally:
            evolution.database = own
