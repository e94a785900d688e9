"""Nothing is lost by accident: what autogenerate would drop, it drops when a person says so."""

import pytest
from project import Project, said
from sample import NewProject
from server import Database
from terminal import on_a_terminal
from things import MODELS


@pytest.fixture(params=[pytest.param("public", marks=pytest.mark.full), "sales"])
def project(new_project: NewProject, request: pytest.FixtureRequest) -> Project:
    """A project with the tables of MODELS in its database, in each schema."""
    project = new_project(database_schema=request.param, example=False)
    project.write_model("things", MODELS)
    project.alembic("revision", "--autogenerate", "-m", "first")
    project.alembic("upgrade", "head")
    return project


DROPS = {
    "a column": ("    name: Mapped[str]\n", "", "things.name"),
    "a table": (MODELS[MODELS.index("class Thing(") :], "", "things"),
}
RENAMES = {
    "a column": ("    name: Mapped[str]\n", "    title: Mapped[str]\n", "things.name:title"),
    "a table": ('__tablename__ = "things"', '__tablename__ = "items"', "things:items"),
}


def names(project: Project, *words: str) -> list[str]:
    """Table and column names, as `-x` takes them, with the project's schema where it has one."""
    schema = "sales." if schema_of(project) == "sales" else ""
    old_and_new = [word.split(":") for word in words]
    return [
        f"{schema}{old}" + "".join(f":{new if '.' in old else schema + new}" for new in rest)
        for old, *rest in old_and_new
    ]


def schema_of(project: Project) -> str:
    """The schema of the project's tables."""
    database = project.path / "src" / project.package / "database" / "__init__.py"
    return "sales" if 'schema="sales"' in database.read_text() else "public"


def autogenerate(project: Project, *options: str, ok: bool = True) -> str:
    done = project.alembic(*options, "revision", "--autogenerate", "-m", "change", ok=ok)
    assert (done.returncode == 0) is ok
    assert "Traceback" not in said(done)
    return " ".join(said(done).split())


@pytest.mark.parametrize(("old", "new", "name"), DROPS.values(), ids=DROPS.keys())
def test_a_drop_needs_a_word(
    project: Project, database: Database, old: str, new: str, name: str
) -> None:
    project.write_model("things", MODELS.replace(old, new))
    before = project.versions
    [name] = names(project, name)
    refusal = autogenerate(project, ok=False)
    assert "No revision was written" in refusal
    assert f"{name} would be dropped" in refusal
    assert f"-x allow-drop={name}" in refusal
    mistaken = autogenerate(project, "-x", "allow-drop=other", ok=False)
    assert (
        f"allow-drop=other: nothing of that name would be dropped. Possible are: -x allow-drop={name}"
        in mistaken
    )
    assert project.versions == before
    autogenerate(project, "-x", f"allow-drop={name}")
    [written] = set(project.versions) - set(before)
    assert "# First deploy code that does not use" in written.read_text()
    project.alembic("upgrade", "head")
    project.alembic("check")
    project.alembic("downgrade", "-1")


@pytest.mark.parametrize(("old", "new", "name"), RENAMES.values(), ids=RENAMES.keys())
def test_what_looks_like_a_rename_is_offered_and_keeps_the_rows(
    project: Project, database: Database, old: str, new: str, name: str
) -> None:
    schema = schema_of(project)
    with database.connect() as connection:
        connection.execute(f"SET search_path = {schema}".encode())
        connection.execute("INSERT INTO things (name, size, owner_id) VALUES ('kept', 1, 1)")
    project.write_model("things", MODELS.replace(old, new))
    [name] = names(project, name)
    assert f"If you renamed it: -x rename={name}" in autogenerate(project, ok=False)
    autogenerate(project, "-x", f"rename={name}")
    column, table = ("title", "things") if "title" in new else ("name", "items")
    for _ in range(2):
        project.alembic("upgrade", "head")
        project.alembic("check")
        with database.connect() as connection:
            row = connection.execute(f"SELECT {column} FROM {schema}.{table}".encode()).fetchall()
        assert row == [("kept",)]
        project.alembic("downgrade", "-1")


def test_a_renamed_table_keeps_its_unique_constraint(new_project: NewProject) -> None:
    project = new_project(example=False)
    models = MODELS.replace("size: Mapped[int]", "size: Mapped[int] = mapped_column(unique=True)")
    project.write_model("things", models)
    project.alembic("revision", "--autogenerate", "-m", "first")
    project.alembic("upgrade", "head")
    before = set(project.versions)
    project.write_model("things", models.replace('"things"', '"items"'))
    autogenerate(project, "-x", "rename=things:items")
    [written] = set(project.versions) - before
    assert "RENAME CONSTRAINT uq_things_size TO uq_items_size" in written.read_text()
    project.alembic("upgrade", "head")
    project.alembic("check")


def test_a_rename_that_is_none_is_an_error(project: Project) -> None:
    project.write_model("things", MODELS.replace("    name: Mapped[str]\n", ""))
    text = autogenerate(project, "-x", "rename=things.name:title", ok=False)
    assert "the models and the database have no such difference" in text


def test_a_column_that_rows_could_not_get_is_refused(project: Project) -> None:
    before = project.versions
    project.write_model("things", MODELS + "    extra: Mapped[int]\n    more: Mapped[str]\n")
    refusal = autogenerate(project, ok=False)
    assert "things.extra, " in refusal
    assert "NOT NULL without a server default" in refusal
    assert "Add a server_default. Or use three revisions: allow NULL" in refusal
    assert project.versions == before


def test_on_a_terminal_the_person_is_asked(new_project: NewProject, database: Database) -> None:
    project = new_project(example=False)
    project.write_model("things", MODELS)
    project.alembic("revision", "--autogenerate", "-m", "first")
    project.alembic("upgrade", "head")
    before = project.versions
    project.write_model(
        "things",
        MODELS.replace("    name: Mapped[str]\n", "    title: Mapped[str]\n").replace(
            "    size: Mapped[int]\n", ""
        ),
    )
    command = ("alembic", "revision", "--autogenerate", "-m", "change")
    questions = [
        "things.name is gone, title is new. Was it renamed?",
        "things.size would be dropped",
    ]
    said, code = on_a_terminal(project, command, [*zip(questions, "yn", strict=True)])
    assert code != 0
    assert "No revision was written" in " ".join(said.split())
    assert project.versions == before
    said, code = on_a_terminal(project, command, [*zip(questions, "yy", strict=True)])
    assert code == 0, said
    [written] = set(project.versions) - set(before)
    assert 'new_column_name="title"' in written.read_text()
    assert 'op.drop_column("things", "size")' in written.read_text()
    said, code = on_a_terminal(project, command, [])
    assert code != 0  # the database is not up to date: nothing is asked
