"""What `db plan` says of a statement if publications have its table."""

import pytest
from alembic_live.commands.lint.revision_sql import RevisionStatement
from alembic_live.commands.plan.analysis import analyze
from alembic_live.commands.plan.catalog import Catalog, Table
from alembic_live.commands.plan.publications import Publication
from alembic_live.sql.statements import Name

NOTES, KEYLESS = Name("public", "notes"), Name("public", "keyless")
EVERYTHING = Publication("p", has_all=True)
SCHEMA = Publication("p", schemas=frozenset({"public"}))
LIST = Publication("p", tables=frozenset({NOTES}))
COLUMNS = Publication("p", tables=frozenset({NOTES}), columns={NOTES: frozenset({"id", "title"})})
FILTER = Publication("p", tables=frozenset({NOTES}), filters={NOTES: frozenset({"title"})})
INSERTS = Publication("p", has_all=True, has_changes=False)
ADD = "ALTER TABLE notes ADD COLUMN x int"
KEYED = "CREATE TABLE keyed (id int PRIMARY KEY)"
NO_KEY = "CREATE TABLE logs (id int)"


def said_of(publication: Publication, sql: str, *, standbys: int = 0) -> str:
    """The sentences about a revision."""
    catalog = Catalog(
        is_known=True,
        tables={
            NOTES: Table(primary_key="pk_notes", has_identity=True),
            KEYLESS: Table(has_identity=False),
        },
        visible={"notes": "public", "keyless": "public"},
        publications=[publication],
        standbys=standbys,
    )
    written = [RevisionStatement(each, 1, is_safe=False) for each in sql.split(";")]
    return "; ".join(analyze(written, catalog).replication)


@pytest.mark.parametrize(
    ("publication", "sql", "words"),
    [
        (LIST, ADD, 'notes.x: publication "p" has it as soon as it exists. Add it at the subs'),
        (COLUMNS, ADD, 'publication "p" lists the columns of notes, and does not have it'),
        (EVERYTHING, "ALTER TABLE notes DROP COLUMN body", "Drop it at the subscribers after this"),
        (FILTER, "ALTER TABLE notes DROP title", "Postgres refuses to drop notes.title"),
        (COLUMNS, "ALTER TABLE notes DROP title", 'First: ALTER PUBLICATION "p" SET TABLE notes'),
        (
            FILTER,
            "ALTER TABLE notes ALTER title TYPE text",
            "refuses to change the type of notes.t",
        ),
        (LIST, KEYED, 'ALTER PUBLICATION "p" ADD TABLE keyed, and at the subscribers ALTER SUBSC'),
        (EVERYTHING, KEYED, "Create it at the subscribers first"),
        (SCHEMA, KEYED, "Create it at the subscribers first"),
        (EVERYTHING, NO_KEY, "logs has no replica identity after this"),
        (EVERYTHING, NO_KEY, 'ALTER TABLE "public"."logs" REPLICA IDENTITY FULL'),
        (LIST, "ALTER TABLE notes DROP CONSTRAINT pk_notes", "notes has no replica identity after"),
        (LIST, "ALTER TABLE notes REPLICA IDENTITY NOTHING", "notes has no replica identity after"),
        (LIST, "ALTER TABLE notes RENAME COLUMN body TO b", 'notes.body: publication "p" has it, '),
        (LIST, "ALTER TABLE notes RENAME TO n", "replication goes by names"),
        (EVERYTHING, "DROP TABLE notes", "Drop it at the subscribers after this"),
        (
            EVERYTHING,
            "UPDATE keyless SET id = 2",
            "keyless has no replica identity, so Postgres re",
        ),
        (EVERYTHING, "DELETE FROM keyless", "keyless has no replica identity, so Postgres re"),
    ],
)
def test_what_subscribers_need(publication: Publication, sql: str, words: str) -> None:
    assert words in said_of(publication, sql)


@pytest.mark.parametrize(
    ("publication", "sql"),
    [
        (LIST, "ALTER TABLE keyless ADD x int"),
        (LIST, "ALTER TABLE notes ADD CONSTRAINT c CHECK (id > 0)"),
        (LIST, "ALTER TABLE notes DROP CONSTRAINT c"),
        (LIST, "ALTER TABLE notes ALTER title TYPE text"),
        (LIST, "UPDATE notes SET id = 2"),
        (LIST, "CREATE UNLOGGED TABLE keyed (id int)"),
        (INSERTS, "UPDATE keyless SET id = 2"),
        (INSERTS, "ALTER TABLE notes DROP CONSTRAINT pk_notes"),
    ],
)
def test_what_has_nothing_to_do_with_them(publication: Publication, sql: str) -> None:
    assert said_of(publication, sql) == ""


def test_a_key_that_is_given_later_is_one() -> None:
    for more in ("ADD CONSTRAINT pk PRIMARY KEY (id)", "REPLICA IDENTITY FULL"):
        assert "identity" not in said_of(EVERYTHING, f"{NO_KEY};ALTER TABLE logs {more}")


def test_standbys_take_the_lock_too() -> None:
    text = said_of(INSERTS, ADD, standbys=2)
    assert "2 standbys: the ACCESS EXCLUSIVE lock on notes is taken there too" in text
    assert "standby" not in said_of(INSERTS, KEYED, standbys=2)
    assert "standby" not in said_of(INSERTS, "CREATE INDEX i ON notes (id)", standbys=2)
