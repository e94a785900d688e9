"""The files that `db graph` writes."""

import sys
from pathlib import Path

import pytest
from alembic.util import CommandError
from alembic_live.commands.graph.files import write_diagram


def test_without_the_wheel_that_draws_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError, match="uv add --dev mermaidx"):
        write_diagram(tmp_path / "picture.svg", "erDiagram\n", "tables")
    assert list(tmp_path.iterdir()) == []


def test_a_diagram_is_written_whole_and_through_no_link(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (tmp_path / ".tables.mmd.new").symlink_to(mine)
    write_diagram(tmp_path / "tables.mmd", "erDiagram\n", "tables")
    assert (tmp_path / "tables.mmd").read_text() == "erDiagram\n"
    assert mine.read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "tables.mmd"}


def test_in_markdown_only_the_diagram_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    write_diagram(page, "one\n", "tables")
    page.write_bytes(b"# Tables\r\n" + page.read_bytes() + b"more\r\n")
    write_diagram(page, "two\n", "tables")
    assert page.read_bytes().decode() == (
        "# Tables\r\n<!-- db graph: tables -->\n```mermaid\ntwo\n```\n<!-- end of db graph: tables -->\n"
        "more\r\n"
    )
    with pytest.raises(CommandError, match="add these two lines"):
        write_diagram(page, "two\n", "history")
