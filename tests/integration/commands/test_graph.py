"""`db graph` draws the tables and the history in Mermaid."""

import pytest
from edit import edit
from project import Project, said
from revisions import NOTES, revise
from sample import NewProject
from server import Database

MODELS = """
import enum
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, mapped_column

from my_service.database.base import Base
from my_service.database.models.note import Note


class Mood(enum.Enum):
    GOOD = "good"


class Odd(Base):
    __tablename__ = 'odd "table" 100% \\\\ <b>&#; `x`'

    pk: Mapped[int] = mapped_column(primary_key=True)
    weird: Mapped[str | None] = mapped_column('a "b", 1')
    digit: Mapped[str] = mapped_column("1st", sa.String(5), unique=True)
    price: Mapped[Decimal] = mapped_column(sa.Numeric(10, 2))
    tags: Mapped[list[str]] = mapped_column(postgresql.ARRAY(sa.Text))
    mood: Mapped[Mood] = mapped_column(sa.Enum(Mood, name="mood"))


class Elsewhere(Base):
    __tablename__ = "таблица"
    __table_args__ = ({"schema": "other"},)

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("other.таблица.id"))
    odd_id: Mapped[int] = mapped_column(sa.ForeignKey(Odd.pk), unique=True)


class Link(Base):
    __tablename__ = "end"

    note_id: Mapped[int] = mapped_column(sa.ForeignKey(Note.id), primary_key=True)
    odd_id: Mapped[int] = mapped_column(sa.ForeignKey(Odd.pk), primary_key=True)
"""

# Mermaid's own parser takes it: https://mermaid.live shows it.
TABLES = """\
erDiagram
    "end" {
        integer note_id PK, FK
        integer odd_id PK, FK
    }
    "notes" {
        integer id PK
        varchar(200) title
        text body
        timestamptz created_at
    }
    "odd #34;table#34; 100#37; #92; #60;b#62;#38;#35;#59; #96;x#96;" {
        integer _pk PK "pk"
        varchar a__b___1 "a #34;b#34;, 1, null"
        varchar(5) _1st UK "1st"
        numeric(10_2) price
        text[] tags
        mood mood
    }
    "other.таблица" {
        integer id PK
        integer parent_id FK "null"
        integer odd_id FK, UK
    }
    "notes" ||--o{ "end" : "note_id"
    "odd #34;table#34; 100#37; #92; #60;b#62;#38;#35;#59; #96;x#96;" ||--o{ "end" : "odd_id"
    "odd #34;table#34; 100#37; #92; #60;b#62;#38;#35;#59; #96;x#96;" ||..o| "other.таблица" : "odd_id"
    "other.таблица" |o..o{ "other.таблица" : "parent_id"
"""

HISTORY = f"""\
flowchart TD
    r1["{NOTES}<br>create notes"]
    r2["bbbb<br>Change notes"]
    r3["aaaa<br>1. Say #34;hi#34; to #60;b#62;#59; #96;x#96;<br>(the database is here)"]:::current
    r4["end<br>Join<br>(head)"]
    r1 --> r2
    r1 --> r3
    r3 --> r4
    r2 --> r4
    classDef current stroke-width:4px
"""


@pytest.fixture
def project(new_project: NewProject) -> Project:
    return new_project()


def write_branches(project: Project) -> None:
    revise(project, "aaaa", "pass", message='1. Say "hi" to <b>; `x`')
    revise(project, "bbbb", "pass")
    revise(project, "end", "pass", message="Join", follows=("aaaa", "bbbb"))


def test_the_tables_of_the_models_without_a_database(project: Project) -> None:
    project.environment.clear()
    project.write_model("odd", MODELS)
    done = project.db("graph")
    assert done.stdout == TABLES
    assert done.stderr == ""


def test_tables_of_the_schema_that_is_the_projects_own(new_project: NewProject) -> None:
    project = new_project(database_schema="sales")
    assert '    "notes" {\n' in project.db("graph").stdout


def test_models_that_cannot_be_loaded_are_named(project: Project) -> None:
    project.write_model("broken", "import nothing_of_that_name\n")
    done = project.db("graph", ok=False)
    assert done.returncode == 1
    assert "The models in my_service.database.models.broken cannot be loaded" in done.stderr
    assert "Traceback" not in said(done)


def test_the_history_with_its_branches_and_where_the_database_is(
    project: Project, database: Database
) -> None:
    write_branches(project)
    project.alembic("upgrade", "aaaa")
    done = project.db("graph", "--history")
    assert done.stdout == HISTORY
    assert done.stderr == ""


def test_the_history_needs_no_database(project: Project) -> None:
    write_branches(project)
    for without in ({"DB_PORT": "1"}, {"DB_HOST": ""}):
        done = project.given(**without).db("graph", "--history")
        assert "r1 --> r2" in done.stdout
        assert "current" not in done.stdout
        assert done.stderr.startswith("The diagram does not mark the database's revision: ")


def test_a_label_and_what_it_depends_on(project: Project) -> None:
    path = revise(project, "aaaa", "pass")
    edit(path, "branch_labels = None", 'branch_labels = ("billing",)')
    path = revise(project, "bbbb", "pass", follows=None)
    edit(path, "depends_on = None", 'depends_on = "aaaa"')
    lines = project.db("graph", "--history").stdout
    assert "aaaa<br>Change notes<br>(billing, head)" in lines
    assert "-.->" in lines


def test_a_file_of_mermaid(project: Project) -> None:
    project.db("graph", "--output", "tables.mmd")
    assert (project.path / "tables.mmd").read_text() == project.db("graph").stdout


def test_in_markdown_only_the_diagram_is_written_anew(project: Project) -> None:
    page = project.path / "docs.md"
    project.db("graph", "--output", "docs.md")
    project.alembic("upgrade", "head")
    block = page.read_text()
    assert block.startswith("<!-- db graph: tables -->\n```mermaid\nerDiagram\n")
    page.write_bytes(
        f"# Tables\r\n\r\n{block}\n# History\n\n<!-- db graph: history --><!-- end of db graph: history -->\n".encode()
    )
    project.write_model("odd", MODELS)
    project.db("graph", "--output", "docs.md")
    project.db("graph", "--history", "--output", "docs.md")
    text = page.read_bytes().decode()
    assert text.startswith("# Tables\r\n\r\n<!-- db graph: tables -->\n```mermaid\nerDiagram\n")
    assert TABLES in text
    assert text.endswith(
        "classDef current stroke-width:4px\n```\n<!-- end of db graph: history -->\n"
    )
    project.db("graph", "--output", "docs.md")
    assert page.read_bytes().decode() == text


def test_markdown_without_a_place_for_it_is_left_alone(project: Project) -> None:
    (project.path / "README.md").write_text("# A page\n")
    done = project.db("graph", "--output", "README.md", ok=False)
    assert done.returncode == 1
    assert "<!-- db graph: tables --> and <!-- end of db graph: tables -->" in done.stderr
    assert (project.path / "README.md").read_text() == "# A page\n"


@pytest.mark.parametrize("name", ["tables.png", "tables", "nowhere/tables.mmd", "src.mmd"])
def test_a_file_that_cannot_be_is_refused(project: Project, name: str) -> None:
    (project.path / "src.mmd").mkdir()
    before = sorted(project.path.iterdir())
    done = project.db("graph", "--output", name, ok=False)
    assert done.returncode == 1
    assert name in done.stderr
    assert "Traceback" not in said(done)
    assert sorted(project.path.iterdir()) == before


def test_an_svg_is_drawn_by_a_wheel(project: Project) -> None:
    project.write_model("odd", MODELS)
    write_branches(project)
    for option, word in (((), "таблица"), (("--history",), "bbbb")):
        project.db("graph", *option, "--output", "picture.svg")
        picture = (project.path / "picture.svg").read_text()
        assert picture.startswith("<svg")
        assert word in picture
        assert "Syntax error" not in picture
