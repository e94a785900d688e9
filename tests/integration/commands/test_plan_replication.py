"""`db plan` knows the publications of the database."""

import json

from revisions import NOTES, revise
from sample import NewProject
from server import Database

PUBLICATIONS = (
    "CREATE PUBLICATION everything FOR ALL TABLES WITH (publish = 'insert')",
    "CREATE PUBLICATION list FOR TABLE notes (id, title)",
    "CREATE PUBLICATION filter FOR TABLE notes WHERE (body <> '') WITH (publish = 'insert')",
    "CREATE PUBLICATION schema FOR TABLES IN SCHEMA public WITH (publish = 'insert, delete')",
)
CHANGE = """\
op.add_column("notes", sa.Column("x", sa.Integer()))
op.create_table("logs", sa.Column("id", sa.Integer()))
op.drop_column("notes", "body")
op.execute("DELETE FROM keyless")"""

WORDS = [
    'notes.x: publication "everything" has it as soon as it exists',
    'notes.x: publication "filter" has it as soon as it exists',
    'notes.x: publication "list" lists the columns of notes, and does not have it',
    'logs: publication "schema" has it as soon as it exists',
    'logs: publication "list" is a list of tables and does not have it',
    'Postgres refuses to drop notes.body, because publication "filter" uses it',
    'keyless has no replica identity, so Postgres refuses this statement (publication "schema")',
    'logs has no replica identity after this, and publication "schema" has it',
]


def test_what_subscribers_need(new_project: NewProject, database: Database) -> None:
    project = new_project()
    project.alembic("upgrade", "head")
    database.query("CREATE TABLE keyless (id int)")
    for statement in PUBLICATIONS:
        database.query(statement)
    revise(project, "r1", CHANGE)
    [step] = json.loads(project.db("plan", "--json").stdout)["steps"]
    report = project.db("plan").stdout
    for words in WORDS:
        assert any(words in sentence for sentence in step["replication"]), words
        assert f"     {words}" in report

    # What Postgres refuses is refused.
    for change in ('op.drop_column("notes", "body")', 'op.execute("DELETE FROM keyless")'):
        revise(project, "r1", change)
        project.alembic("upgrade", "head", ok=False)
        assert database.value("SELECT version_num FROM alembic_version") == NOTES
