"""`db squash` names every revision that changes rows, however that is written, and carries over what
it says that it can.
"""

import pytest
import spellings
from campaigns import campaign
from project import Project, commit, said
from sample import NewProject
from server import Database


def write_history(project: Project, bodies: list[str]) -> None:
    """One revision with the table, and one for each body behind it; all of them in git."""
    (project.path / "src" / project.package / "seeds.py").write_text(spellings.SEEDS)
    first = "\n".join(f"op.execute({statement!r})" for statement in spellings.FIRST)
    for number, body in enumerate([first, *bodies]):
        path = project.path / "migrations" / "versions" / f"{spellings.name(number)}.py"
        path.write_text(spellings.source(number, body, project.package))
    project.db("record_head")
    commit(project.path)


def test_all_spellings_are_carried_over_and_make_the_same_rows(
    new_project: NewProject, database: Database
) -> None:
    project = new_project(example=False)
    bodies = list(spellings.run_spellings())
    write_history(project, bodies)
    text = project.db("squash", ok=False).stderr
    for number in range(1, len(bodies) + 1):
        assert f"{spellings.name(number)} (spelling {number}) may change rows:" in text
    assert f"{spellings.name(0)} (" not in text
    assert "To carry over the statements that create them: uv run db squash --with-data" in text
    project.db("squash", "--with-data", "--yes")
    assert len(project.versions) == 1
    project.alembic("upgrade", "head")
    rows = [number for (number,) in database.query("SELECT n FROM marks ORDER BY n")]
    assert rows == list(range(1, len(bodies) + 1))
    project.run("ruff", "format", "--check")


INSERT = "op.execute('INSERT INTO marks VALUES (1)')"
NOT_MOVED = {
    "global": f"N = 0\ndef helper():\n    global N\n    N += 1\n    {INSERT}\n---\nhelper()",
    "a star": f"from my_service.seeds import *\n---\n{INSERT}",
    "another upgrade": f"def more():\n    {INSERT}\n---\npass\n\nupgrade = more",
    "a decorated upgrade": f"def twice(f):\n    return lambda: (f(), {INSERT})\n---\npass",
}


@campaign("body", NOT_MOVED, keep=["a star", "another upgrade"])
def test_what_cannot_be_moved_is_named_by_its_line(
    new_project: NewProject, database: Database, body: str
) -> None:
    project = new_project(example=False)
    write_history(project, [body])
    path = project.versions[1]
    source = path.read_text()
    if "upgrade = more" in source:
        source = source.replace("    \n    upgrade = more\n", "\n\nupgrade = more\n")
    if "twice" in source:
        source = source.replace("def upgrade", "@twice\ndef upgrade")
    path.write_text(source)
    commit(project.path)
    before = {file.name: file.read_text() for file in project.versions}
    text = project.db("squash", ok=False).stderr
    assert f"{spellings.name(1)} (spelling 1) may change rows: migrations/versions/" in text
    assert (
        "public.marks (1). --with-data does not help: The row changes in migrations/versions/"
        in text
    )
    refused = project.db("squash", "--with-data", "--yes", ok=False)
    assert f"The row changes in migrations/versions/{path.name}:" in refused.stderr
    assert "cannot be carried over, because" in refused.stderr
    assert "Traceback" not in said(refused)
    assert {file.name: file.read_text() for file in project.versions} == before


FAILING = {
    # It makes a table that is there already in the newest schema.
    "a schema change among rows": "op.execute(f'CREATE TABLE {seed.__name__} ()')\n" + INSERT,
    "an error of Python's": "if op.get_bind().scalar(sa.text(\"SELECT to_regclass('late')::text\")):\n"
    f"    raise KeyError('late')\n{INSERT}",
}


@pytest.mark.parametrize("body", FAILING.values(), ids=FAILING)
def test_where_it_fails_on_the_newest_schema_the_revision_is_named(
    new_project: NewProject, body: str
) -> None:
    project = new_project(example=False)
    write_history(project, [body, "op.execute('CREATE TABLE late ()')"])
    path = project.versions[1]
    text = project.db("squash", ok=False).stderr
    assert f"--with-data does not help: The row changes in migrations/versions/{path.name}:" in text
    refused = project.db("squash", "--with-data", "--yes", ok=False)
    assert f"The row changes in migrations/versions/{path.name}:" in refused.stderr
    assert "fail on the newest schema" in refused.stderr
    assert "Traceback" not in said(refused)
    assert len(project.versions) == 3


def test_without_rows_there_is_nothing_to_carry_over(new_project: NewProject) -> None:
    project = new_project(example=False)
    write_history(
        project,
        ["for row in op.get_bind().execute(sa.text('SELECT 1 FROM marks')):\n    seed(row)"],
    )
    text = project.db("squash", "--yes").stderr
    assert f"{spellings.name(1)} (spelling 1) may change rows" in text
    assert "--with-data" not in text
