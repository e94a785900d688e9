"""A project that a team has lived in is updated without a loss."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from campaigns import campaign
from lived_in import DELETED, live_in, rows
from project import said
from releases import RELEASES, WITHOUT_LIBRARY, Releases
from server import Database

STATUS = "packages/alembic-live/src/alembic_live/commands/status.py"  # it has moved


@pytest.mark.full
@campaign("version", [*RELEASES], keep=[WITHOUT_LIBRARY])
def test_nothing_that_a_team_made_is_lost(
    releases: Releases, database: Database, tmp_path: Path, version: str
) -> None:
    project = releases.made(version).copy(tmp_path / "my-service", **database.environment)
    project.run("uv", "sync", "--quiet")
    life = live_in(replace(project, tools=project.path / ".venv"), database)
    mine = {name: (project.path / name).read_bytes() for name in (".env", "uv.lock", "README.md")}

    done = project.update()

    assert project.conflicts() == {}, said(done)
    for path, lines in life.lines.items():
        is_here = path if (project.path / path).exists() else STATUS
        assert lines <= set(project.read(is_here).splitlines()), path
    assert {path.name: path.read_bytes() for path in project.versions} == life.revisions
    assert [path for path in DELETED if (project.path / path).exists()] == []
    assert {name: (project.path / name).read_bytes() for name in mine} == mine
    added = tomllib.loads((project.path / "pyproject.toml").read_text())["project"]["dependencies"]
    assert any(dependency.startswith("more-itertools") for dependency in added)
    for module in ("billing.py", "database/models/customer.py", "database/models/order.py"):
        assert (project.path / "src" / "my_service" / module).exists()

    project.run("uv", "sync", "--quiet")
    project.commit()
    project.alembic("upgrade", "head")
    project.alembic("check")
    project.db("lint")
    project.run("ruff", "check")
    project.run("ruff", "format", "--check")
    project.run("mypy")
    tests = said(project.run("pytest"))
    assert " passed in " in tests
    assert rows(database) == life.rows
    project.update(trust=False)
    assert project.git("status", "--porcelain") == ""
