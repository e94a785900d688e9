"""Revisions by the text of their files, and head.txt."""

from pathlib import Path

import pytest
from alembic_live import Project
from alembic_live.history.files import (
    RevisionFile,
    UnreadableRevisionError,
    heads_of,
    history_of,
    names_in,
    newest_of,
    parse_revision,
    read_revision_file,
    read_revisions_in,
    read_source,
    with_down_revision,
    write_text,
)
from alembic_live.history.head_file import (
    problem_with_head_file,
    record_heads,
)
from sqlalchemy import MetaData

AS_WRITTEN = '''"""A message

Revision ID: {0}
Revises: {1}
"""

revision: str = "{0}"
down_revision: str | None = {2}
branch_labels = {3}
depends_on = {4}
'''


def source(
    revision: str, down: str = "None", labels: str = "None", depends_on: str = "None"
) -> str:
    return AS_WRITTEN.format(revision, down, down, labels, depends_on)


FOLLOWS = {
    "None": (),
    "'a'": ("a",),
    '"a"': ("a",),
    '("a", "b")': ("a", "b"),
    '["a"]': ("a",),
    '(\n    "a",\n    "b",\n)': ("a", "b"),
}


@pytest.mark.parametrize(("down", "follows"), FOLLOWS.items())
def test_a_revision_is_read(down: str, follows: tuple[str, ...]) -> None:
    path = Path("x.py")
    assert parse_revision(source("r", down), path) == RevisionFile(path, "r", follows)


def test_labels_and_dependencies() -> None:
    text = source("r", labels='("one", "two")', depends_on='"z"')
    assert names_in(text, "branch_labels") == ("one", "two")
    assert names_in(text, "depends_on") == ("z",)
    assert names_in(source("r"), "depends_on") == ()


@pytest.mark.parametrize(
    ("follows", "down", "listed"),
    [
        ((), "None", "Revises:"),
        (("x",), '"x"', "Revises: x"),
        (("x", "y"), '("x", "y")', "Revises: x, y"),
    ],
)
def test_a_revision_that_follows_others(follows: tuple[str, ...], down: str, listed: str) -> None:
    text = with_down_revision(source("r", '"a"'), follows)
    assert f"down_revision: str | None = {down}\n" in text
    assert f"\n{listed}\n" in text
    assert parse_revision(text, Path("x.py")).follows == follows


FILES = [
    RevisionFile(Path(), "a", ()),
    RevisionFile(Path(), "b", ("a",)),
    RevisionFile(Path(), "c", ("a",)),
    RevisionFile(Path(), "d", ("b", "c")),
    RevisionFile(Path(), "e", ("a",)),
]


def test_the_graph_of_revisions() -> None:
    by_id = {file.revision: file for file in FILES}
    assert heads_of(FILES) == ["d", "e"]
    assert history_of(by_id, "d") == ["d", "b", "c", "a"]
    assert newest_of(by_id, ["a", "b", "e"]) == ["b", "e"]


def test_two_files_with_one_id_are_an_error() -> None:
    with pytest.raises(UnreadableRevisionError, match="Two files have the revision id a"):
        heads_of([*FILES, FILES[0]])


def test_a_file_is_written_whole_and_what_was_compiled_of_it_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    (tmp_path / "__pycache__").mkdir()
    compiled = tmp_path / "__pycache__" / "x.cpython-311.pyc"
    others = tmp_path / "__pycache__" / "y.cpython-311.pyc"
    for each in (compiled, others):
        each.touch()
    write_text(path, "a\n")
    assert path.read_text() == "a\n"
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "__pycache__", others, path]


def test_a_file_keeps_the_encoding_that_it_declares(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    text = "# -*- coding: latin-1 -*-\n" + source("a").replace('"""', '"""Ä ', 1)
    path.write_bytes(text.encode("latin-1"))
    assert read_revision_file(path).revision == "a"
    assert read_source(path) == text
    write_text(path, with_down_revision(read_source(path), ["b"]))
    assert read_revision_file(path).follows == ("b",)
    assert "Ä".encode("latin-1") in path.read_bytes()


@pytest.mark.parametrize("first", ["# Ä", "# coding: nothing"])
def test_a_file_in_another_encoding_is_named(tmp_path: Path, first: str) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(f"{first}\n{source('a')}".encode("latin-1"))
    with pytest.raises(UnreadableRevisionError, match=r"x\.py is not in UTF-8"):
        read_revision_file(path)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with two revisions."""
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions / "1.py").write_text(source("a"))
    (versions / "2.py").write_text(source("b", '"a"'))
    (versions / "__init__.py").write_text("")
    (versions / ".#2.py").write_text("an editor's lock")
    return Project(metadata=MetaData()).located(tmp_path / "alembic.ini")


def test_the_files_that_alembic_reads_are_read(project: Project) -> None:
    assert [file.revision for file in read_revisions_in(project.versions)] == ["a", "b"]


def test_the_head_is_recorded(project: Project) -> None:
    assert problem_with_head_file(project) is None
    assert record_heads(project) == "b\n"
    assert not project.head_file.exists()  # the project has no hook that writes it
    record_heads(project, asked=True)
    assert project.head_file.read_text() == "b\n"
    assert problem_with_head_file(project) is None
    assert record_heads(project, without=project.versions / "2.py") == "a\n"
    assert "head.txt names a, but the head is b" in (problem_with_head_file(project) or "")


def test_a_head_file_that_git_has_merged_wrongly_is_said(project: Project) -> None:
    project.head_file.write_text("<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> other\n")
    wrong = problem_with_head_file(project)
    assert wrong
    assert "uv run db rebase" in wrong


def test_a_project_with_the_hook_has_the_file(project: Project) -> None:
    with project.config_file.open("a") as ini:
        ini.write("\n[post_write_hooks]\nhooks = record_head\n")
    record_heads(project)
    assert project.head_file.read_text() == "b\n"
