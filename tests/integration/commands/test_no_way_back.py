"""A revision without a downgrade, and a history that cannot be replayed: what commands say."""

from project import commit, said
from revisions import revision, write_revision
from sample import NewProject
from server import Database


def test_a_revision_without_a_downgrade_is_named(new_project: NewProject) -> None:
    project = new_project()
    commit(project.path)
    one = write_revision(project, "one", "CREATE TABLE one (id int)", "DROP TABLE one")
    path = revision(project, "one")
    text = path.read_text()
    path.write_text(text[: text.index("def downgrade")])
    project.alembic("upgrade", "head")
    refused = project.db("remove", one, "--published", "--yes", ok=False)
    assert "has no downgrade(), so the database cannot be taken back" in refused.stderr
    assert "write what undoes it into the new file's upgrade()" in refused.stderr
    assert path.exists()
    empty = project.db("remove", "", "--yes", ok=False)
    assert "The name of the revision is empty." in empty.stderr
    assert "Traceback" not in said(refused) + said(empty)


def test_a_history_that_cannot_be_replayed_is_replaced_as_every_command_says(
    new_project: NewProject, database: Database
) -> None:
    project = new_project()
    project.alembic("upgrade", "head")
    database.query("CREATE TABLE legacy (x int)")
    write_revision(project, "two", "UPDATE legacy SET x = 1", "SELECT 1")
    write_revision(project, "three", "DROP TABLE legacy", "SELECT 1")
    commit(project.path)
    project.alembic("upgrade", "head")
    for command in (("squash", "--yes"), ("drift",)):
        refused = project.db(*command, ok=False).stderr
        assert "_two.py:" in refused
        assert 'relation "legacy" does not exist' in refused
        assert "delete the revisions, then uv run alembic stamp --purge base" in refused
    for path in project.versions:
        path.unlink()
    project.alembic("stamp", "--purge", "base")
    project.db("baseline", "--yes")
    assert "No new upgrade operations" in said(project.alembic("check"))
    assert "matches" in said(project.db("drift"))
