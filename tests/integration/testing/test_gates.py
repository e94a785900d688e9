"""The tests that the library has for a history: they catch what they are there for."""

import re

import pytest
from edit import edit
from project import Project
from sample import NewProject

UP = '    """Bring the schema to this revision."""\n'
DOWN = '    """Take the schema back to the revision before."""\n'


@pytest.fixture
def project(new_project: NewProject) -> Project:
    """A project that has no server but the one that its tests start."""
    project = new_project()
    project.environment.clear()
    return project


AGREE = "test_the_models_and_the_migrations_agree"
STAIRWAY = "test_every_revision_goes_up_and_down_and_up"


def fails(project: Project, *tests: str) -> str:
    """What the project's tests say when these, and no others, fail."""
    done = project.run("pytest", "tests/test_migrations.py", ok=False)
    failed = re.findall(r"FAILED tests/test_migrations.py::(\w+)", done.stdout)
    assert sorted(failed) == sorted(tests)
    return done.stdout


def write_revision(project: Project, up: str, down: str) -> None:
    project.alembic("revision", "-m", "by hand")
    [path] = project.path.glob("migrations/versions/*_by_hand.py")
    edit(path, UP, UP + up)
    edit(path, DOWN, DOWN + down)


def test_nothing_fails_after_the_newest_revision(project: Project) -> None:
    """`alembic_since` of a team that has just begun."""
    project.db("schema")
    [first] = project.alembic("heads").stdout.split()[:1]
    settings = "[tool.pytest.ini_options]\n"
    edit(project.path / "pyproject.toml", settings, f'{settings}alembic_since = "{first}"\n')
    assert "8 passed" in project.run("pytest", "tests/test_migrations.py").stdout


def test_a_model_without_a_revision_is_caught(project: Project) -> None:
    note = project.models / "note.py"
    note.write_text(note.read_text() + "    pages: Mapped[int]\n")
    said = fails(project, AGREE)
    assert "add_column" in said
    assert (
        "a revision is missing, or a model is wrong. To write it: uv run alembic revision" in said
    )
    assert "pages integer NOT NULL  <- the models" in said
    assert "pages" in said


@pytest.mark.full
def test_two_heads_are_caught(project: Project) -> None:
    first = project.versions[0].name.split("-")[1].split("_")[0]
    for name in ("one", "two"):
        project.alembic("revision", "-m", name, "--head", first, "--splice")
    assert "uv run alembic merge " in fails(project, "test_the_history_has_one_head")
    project.alembic("merge", "heads", "-m", "join them")
    assert "8 passed" in project.run("pytest").stdout


def test_what_a_person_can_mend_is_said_in_a_sentence(project: Project) -> None:
    write_revision(project, '    op.execute("ALTER TABLE nowhere ADD x int")\n', "")
    said = project.run("pytest", ok=False).stdout
    assert 'relation "nowhere" does not exist' in said
    assert "correct it, then run the command again" in said
    assert len(said.splitlines()) < 60


@pytest.mark.full
def test_a_type_that_a_downgrade_leaves_behind_is_caught(project: Project) -> None:
    write_revision(project, "    op.execute(\"CREATE TYPE mood AS ENUM ('good')\")\n", "")
    said = fails(project, STAIRWAY, AGREE)
    assert "_by_hand.py) does not restore the schema from before its upgrade" in said
    assert "type mood: only after the downgrade" in said


def test_a_revision_without_a_way_back_needs_a_reason(project: Project) -> None:
    write_revision(
        project,
        "    op.execute(\"CREATE TYPE mood AS ENUM ('good')\")\n    op.execute('DROP TYPE mood')\n",
        "    raise NotImplementedError('Rows were merged.')\n",
    )
    project.alembic("revision", "-m", "another")
    assert "8 passed" in project.run("pytest").stdout
    [path] = project.path.glob("migrations/versions/*_by_hand.py")
    edit(path, "('Rows were merged.')", "")
    assert "cannot be undone: its downgrade() raises an error without a reason" in fails(
        project, STAIRWAY
    )


def test_what_a_correct_revision_leaves_is_allowed_with_a_reason(project: Project) -> None:
    comment = "COMMENT ON CONSTRAINT pk_notes ON notes IS 'it'"
    write_revision(project, f'    op.execute("{comment}")\n', "")
    fails(project, STAIRWAY, "test_the_models_make_what_the_migrations_make")
    exceptions = project.path / "migrations/exceptions.toml"
    reason = '"comment CONSTRAINT pk_notes ON notes" = "the models have none"\n'
    exceptions.write_text(f"[models]\n{reason}[downgrades]\n{reason}")
    project.run("pytest", "tests/test_migrations.py")
    exceptions.write_text(f'[models]\n{reason}[downgrades]\n{reason}"index gone" = "no more"\n')
    assert "'index gone' in [downgrades] of migrations/exceptions.toml" in fails(project, STAIRWAY)


BEYOND_MODELS = (
    "ALTER TABLE notes FORCE ROW LEVEL SECURITY",
    "ALTER TABLE notes SET (fillfactor = 70, toast.autovacuum_enabled = off)",
    "ALTER TABLE notes CLUSTER ON pk_notes",
    "ALTER TABLE notes REPLICA IDENTITY FULL",
    "ALTER TABLE notes ALTER title SET STATISTICS 500",
    "ALTER TABLE notes ALTER title SET (n_distinct = 5)",
    "ALTER TABLE notes ALTER title SET STORAGE EXTERNAL",
    "ALTER TABLE notes ALTER title SET COMPRESSION pglz",
    "COMMENT ON INDEX pk_notes IS 'it'",
    "ALTER TABLE notes ADD CONSTRAINT ck_notes_pages CHECK (id > 0) NOT VALID",
    "CREATE TABLE tags (id serial CONSTRAINT pk_tags PRIMARY KEY)",
    "ALTER SEQUENCE tags_id_seq RENAME TO numbers",
    "ALTER TABLE tags ADD size int NOT NULL DEFAULT 0",
    "ALTER TABLE tags ALTER size TYPE bigint",
)
TAG = """
from sqlalchemy import BigInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base


class Tag(Base):
    __tablename__ = "tags"

    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
"""


def test_what_models_cannot_express_is_no_difference(project: Project) -> None:
    lines = "".join(f'    op.execute("{sql}")\n' for sql in BEYOND_MODELS)
    write_revision(project, lines, '    raise NotImplementedError("by hand")\n')
    project.write_model("tag", TAG)
    title = """CheckConstraint("title <> ''", name="title_not_empty"),"""
    edit(project.models / "note.py", title, f'{title} CheckConstraint("id > 0", name="pages")')
    project.run("pytest", "tests/test_migrations.py")


def test_a_downgrade_that_takes_too_much_is_caught(project: Project) -> None:
    write_revision(project, "", '    op.drop_column("notes", "body")\n')
    said = fails(project, STAIRWAY)
    assert "_by_hand.py) does not restore the schema from before its upgrade" in said
