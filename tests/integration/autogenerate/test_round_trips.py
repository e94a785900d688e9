"""A change goes up, `check` finds nothing, it goes down to exactly the schema of before, and up again.
A rename builds nothing.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.util import CommandError
from campaigns import campaign
from drop_trips import REFUSED_DROPS, TRIPS_OF_DROPS
from name_trips import REFUSED_NAMES, TRIPS_OF_NAMES
from round_trips import OneProject, Trip, faults_of, project_of
from server import Database

Start = Callable[[Trip, str], OneProject]


@pytest.fixture
def start(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Makes the project of a trip."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return lambda trip, driver: project_of(trip, tmp_path / "project", database, driver)


# Before the rename, a generated column has another expression than in the models.
@pytest.mark.filterwarnings("ignore:Computed default")
@pytest.mark.parametrize("driver", ["asyncpg", pytest.param("psycopg", marks=pytest.mark.full)])
@campaign("trip", TRIPS_OF_NAMES, keep=[*TRIPS_OF_NAMES][::3])
def test_a_change_of_names_goes_up_down_and_up(
    start: Start, database: Database, trip: Trip, driver: str
) -> None:
    faults = list(faults_of(start(trip, driver), trip, database))
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("driver", ["asyncpg", pytest.param("psycopg", marks=pytest.mark.full)])
@campaign("trip", TRIPS_OF_DROPS, keep=[*TRIPS_OF_DROPS][::3])
def test_a_downgrade_restores_exactly_what_was_there(
    start: Start, database: Database, trip: Trip, driver: str
) -> None:
    faults = list(faults_of(start(trip, driver), trip, database))
    assert not faults, "\n".join(faults)


def test_with_psycopg_a_percent_sign_in_an_index_is_one(start: Start, database: Database) -> None:
    trip = TRIPS_OF_DROPS["only indexes"]
    assert "%" in trip.before
    faults = list(faults_of(start(trip, "psycopg"), trip, database))
    assert not faults, "\n".join(faults)


REFUSED = REFUSED_NAMES | REFUSED_DROPS


@pytest.mark.parametrize(("trip", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_would_fail_is_refused_with_a_sentence(
    start: Start, database: Database, trip: Trip, sentence: str
) -> None:
    project = start(trip, "asyncpg")
    with pytest.raises(CommandError) as refusal:
        list(faults_of(project, trip, database))
    assert sentence in str(refusal.value)
    assert not list(project.versions.glob("*.py"))
