"""Logical replication: the version table stays out of it, and the order of docs/how-to/replication.md
lets it go on.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from logical import server_with_logical_replication, subscribed, wait_for_copy
from project import Project, said, wait_until
from revisions import NOTES, revise
from sample import NewProject
from server import Database

ERRORS = "SELECT apply_error_count > 0 FROM pg_stat_subscription_stats"


@pytest.fixture(scope="module")
def server() -> Iterator[Database]:
    """A server whose databases can publish."""
    with server_with_logical_replication() as server:
        yield server


@dataclass
class Pair:
    """A service with a publisher and a subscriber."""

    publisher: Database
    subscriber: Database
    at_publisher: Project
    at_subscriber: Project

    def replicates(self, note: str) -> None:
        """A new row arrives."""
        self.publisher.query("INSERT INTO notes (title) VALUES (%s)", note)
        arrived = "SELECT count(*) = 1 FROM notes WHERE title = %s"
        wait_until(lambda: bool(self.subscriber.value(arrived, note)))


@pytest.fixture
def pair(new_project: NewProject, server: Database) -> Iterator[Pair]:
    project = new_project()
    with server.another("publisher") as one, server.another("subscriber") as other:
        yield Pair(one, other, project.given(**one.environment), project.given(**other.environment))


def test_a_replicated_version_table_is_named_and_stops_a_subscriber(pair: Pair) -> None:
    pair.publisher.query("CREATE PUBLICATION everything FOR ALL TABLES")
    words = 'The version table is in a publication, "everything"'
    assert words in said(pair.at_publisher.db("migrate"))
    assert words in pair.at_publisher.db("doctor").stdout
    pair.at_subscriber.alembic("upgrade", "head")
    pair.subscriber.query("TRUNCATE alembic_version")  # else the copy repeats a duplicate key
    with subscribed(pair.subscriber, pair.publisher, "everything"):
        wait_for_copy(pair.subscriber)
        revise(pair.at_publisher, "r1", 'op.add_column("notes", sa.Column("x", sa.Integer()))')
        pair.at_publisher.alembic("upgrade", "head")
        at = "SELECT version_num FROM alembic_version"
        wait_until(lambda: pair.subscriber.value(at) == "r1")  # which lacks its column
        for command in ("db migrate", "alembic stamp head"):
            text = said(pair.at_subscriber.run(*command.split(), ok=False))
            assert 'The subscription "sub" copies the version table from another' in text, command
        assert 'subscription "sub" copies' in pair.at_subscriber.db("doctor", ok=False).stdout

        # The way out of the page.
        with pair.publisher.connect() as connection, connection.transaction():
            connection.execute("DROP PUBLICATION everything")
            connection.execute("CREATE PUBLICATION everything FOR TABLE notes")
        pair.subscriber.query("ALTER SUBSCRIPTION sub REFRESH PUBLICATION")
        pair.at_subscriber.alembic("stamp", "--purge", NOTES)
        assert "Running upgrade" in said(pair.at_subscriber.db("migrate"))
        assert "nothing to do" in said(pair.at_subscriber.db("migrate"))
        pair.replicates("after the way out")
        for project in (pair.at_publisher, pair.at_subscriber):
            assert "publication" not in said(project.db("doctor"))


@pytest.mark.full
def test_the_order_of_the_page_lets_replication_go_on(pair: Pair) -> None:
    for project in (pair.at_publisher, pair.at_subscriber):
        project.db("migrate")
    pair.publisher.query("CREATE PUBLICATION list FOR TABLE notes")
    with subscribed(pair.subscriber, pair.publisher, "list"):
        wait_for_copy(pair.subscriber)
        add, drop = (
            'op.add_column("notes", sa.Column("x", sa.Integer()))',
            "op.drop_column('notes', 'x')",
        )
        revise(pair.at_publisher, "r1", add)
        for project in (pair.at_subscriber, pair.at_publisher):  # what is added
            project.alembic("upgrade", "r1")
            pair.replicates(f"added by {project.environment['DB_NAME']}")
        revise(pair.at_publisher, "r2", drop, follows="r1")
        for project in (pair.at_publisher, pair.at_subscriber):  # what is dropped
            project.alembic("upgrade", "r2")
            pair.replicates(f"dropped by {project.environment['DB_NAME']}")
        revise(
            pair.at_publisher,
            "r3",
            'op.create_table("logs", sa.Column("id", sa.Integer(), primary_key=True))',
            follows="r2",
        )
        for project in (pair.at_subscriber, pair.at_publisher):  # a new table
            project.alembic("upgrade", "r3")
        pair.publisher.query("ALTER PUBLICATION list ADD TABLE logs")
        pair.publisher.query("INSERT INTO logs VALUES (1)")
        pair.subscriber.query("ALTER SUBSCRIPTION sub REFRESH PUBLICATION")
        wait_until(lambda: pair.subscriber.value("SELECT count(*) FROM logs") == 1)

        # Constraints, and a rename.
        revise(
            pair.at_publisher,
            "r3a",
            'op.alter_column("notes", "title", nullable=True)',
            follows="r3",
        )
        revise(
            pair.at_publisher,
            "r3b",
            'op.alter_column("notes", "title", nullable=False)',
            follows="r3a",
        )
        for project in (pair.at_subscriber, pair.at_publisher):
            project.alembic("upgrade", "r3a")
            pair.replicates(f"nullable at {project.environment['DB_NAME']}")
        for project in (pair.at_publisher, pair.at_subscriber):
            project.alembic("upgrade", "r3b")
            pair.replicates(f"not null at {project.environment['DB_NAME']}")
        rename = 'op.alter_column("notes", "body", new_column_name="text")'
        revise(pair.at_publisher, "r3c", rename, follows="r3b")
        pair.subscriber.query("ALTER SUBSCRIPTION sub DISABLE")
        for project in (pair.at_publisher, pair.at_subscriber):
            project.alembic("upgrade", "r3c")
        pair.subscriber.query("ALTER SUBSCRIPTION sub ENABLE")
        pair.replicates("renamed")
        assert pair.subscriber.value(ERRORS) is False

        # The wrong order stops it, and the other half lets it go on.
        revise(pair.at_publisher, "r4", add.replace('"x"', '"y"'), follows="r3c")
        pair.at_publisher.alembic("upgrade", "r4")
        pair.publisher.query("INSERT INTO notes (title) VALUES ('too early')")
        wait_until(lambda: bool(pair.subscriber.value(ERRORS)))
        pair.at_subscriber.alembic("upgrade", "r4")
        pair.replicates("at last")
        assert pair.subscriber.value("SELECT count(*) FROM notes WHERE title = 'too early'") == 1
