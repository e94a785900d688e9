"""A revision's DDL takes one round trip with asyncpg, and behaves as if it were prepared."""

from dataclasses import replace

from project import said
from proxy import proxy
from revisions import NOTES, revise
from sample import NewProject
from server import Database

RESULTS = """\
bind = op.get_bind()
op.execute("CREATE TABLE a (b int PRIMARY KEY)")
assert bind.exec_driver_sql("INSERT INTO a SELECT generate_series(1, 3)").rowcount == 3
assert bind.exec_driver_sql("UPDATE a SET b = b + 3 WHERE b > 1").rowcount == 2
assert bind.exec_driver_sql("INSERT INTO a VALUES (9) RETURNING b").scalar_one() == 9
assert bind.exec_driver_sql("DELETE FROM a /* Returning */ RETURNING b").all()
assert bind.exec_driver_sql("CREATE TABLE c AS SELECT 1 AS one").returns_rows is False"""


def test_a_revision_takes_four_round_trips(new_project: NewProject, database: Database) -> None:
    project = new_project()

    def round_trips(*numbers: int) -> int:
        for number in numbers:
            follows = f"r{number - 1}" if number else NOTES
            up = f'op.execute("CREATE TABLE t{number} ()")'
            revise(project, f"r{number}", up, follows=follows)
        with proxy(database.host, database.port) as relay:
            through = replace(database, port=relay.port)
            project.given(**through.environment).alembic("upgrade", "head")
            return relay.round_trips_of[0]  # and not of the connection that watches it

    round_trips(0)
    one, eleven = round_trips(1), round_trips(*range(2, 13))
    assert eleven - one == 10 * 4  # BEGIN with the limits, the DDL, the version, COMMIT
    assert one == 44  # a bare one takes 27


def test_rows_counts_and_errors_are_those_of_a_prepared_statement(
    new_project: NewProject, database: Database
) -> None:
    project = new_project()
    revise(project, "r1", RESULTS)
    project.alembic("upgrade", "head")
    revise(project, "r2", 'op.execute("INSERT INTO c VALUES (1), (1 / 0)")', follows="r1")
    text = said(project.alembic("upgrade", "head", ok=False))
    assert "division by zero" in text
    assert "Statement: INSERT INTO c" in text
    assert database.value("SELECT count(*) FROM c") == 1
