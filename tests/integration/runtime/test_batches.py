"""A replay applies many revisions in one transaction, and one by one where that is not possible."""

from dataclasses import replace

import pytest
from project import Project, said
from proxy import proxy
from revisions import NOTES, revise
from sample import NewProject
from server import Database


@pytest.fixture
def project(new_project: NewProject) -> Project:
    return new_project()


def write(project: Project, *ups: str) -> None:
    """Revisions r0, r1, … after the project's own."""
    for number, up in enumerate(ups):
        revise(project, f"r{number}", up, follows=f"r{number - 1}" if number else NOTES)


def test_a_revision_takes_two_round_trips(project: Project, database: Database) -> None:
    def round_trips(count: int) -> int:
        write(project, *(f'op.execute("CREATE TABLE t{each} ()")' for each in range(count)))
        with proxy(database.host, database.port) as relay:
            there = replace(database, port=relay.port)
            project.given(**there.environment).db("schema", f"r{count - 1}")
            return max(relay.round_trips_of)

    assert round_trips(120) - round_trips(20) <= 100 * 2 + 8  # 8 for the commit of a batch


NEEDS_A_COMMIT = {
    "pending triggers": (
        'op.execute("CREATE TABLE a (id int PRIMARY KEY)")',
        'op.execute("CREATE TABLE b (a int REFERENCES a DEFERRABLE INITIALLY DEFERRED)")',
        'op.execute("INSERT INTO a VALUES (1)")\nop.execute("INSERT INTO b VALUES (1)")',
        'op.execute("ALTER TABLE b ADD c int")',
    ),
    "enum value, after an autocommit block": (
        "op.execute(\"CREATE TYPE mood AS ENUM ('good')\")",
        'op.execute("CREATE TABLE a (id int)")',
        "with op.get_context().autocommit_block():\n"
        '    op.execute("CREATE INDEX CONCURRENTLY ix_a ON a (id)")',
        "op.execute(\"ALTER TYPE mood ADD VALUE 'bad'\")",
        "op.execute(\"CREATE TABLE moods (mood mood DEFAULT 'bad')\")",
    ),
}


@pytest.mark.parametrize("ups", NEEDS_A_COMMIT.values(), ids=NEEDS_A_COMMIT)
def test_a_revision_that_needs_the_commit_of_another_is_replayed(
    project: Project, database: Database, ups: tuple[str, ...]
) -> None:
    write(project, *ups)
    project.alembic("upgrade", "head")
    done = project.db("drift")
    assert said(done).startswith("The database matches revision")


def test_a_revision_that_fails_is_named_as_by_an_upgrade(project: Project) -> None:
    write(project, 'op.execute("CREATE TABLE a ()")', 'op.execute("CREATE TABLE a ()")')
    done = project.db("schema", "r1", ok=False)
    assert 'relation "a" already exists' in said(done)
    assert "r1" in said(done)
