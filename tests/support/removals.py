"""A history to remove revisions from, and what is looked at before and afterwards."""

import re
from pathlib import Path

from project import Finished, Project, commit, run, said
from revisions import git, id_of, revision, write_revision

FIRST = "5f0e1c2d3a4b"
TABLES = "SELECT relname FROM pg_class WHERE relname IN ('a', 'b', 'c') ORDER BY 1"
STAMPED = "SELECT version_num FROM alembic_version ORDER BY 1"


def prepared(project: Project, schema: str = "public") -> Project:
    """With revisions a, b and c on a branch, each with a table and a commit. The main branch has the
    example's.
    """
    commit(project.path)
    git(project, "switch", "--quiet", "--create", "mine")
    for name in "abc":
        write_revision(
            project, name, f"CREATE TABLE {schema}.{name} ()", f"DROP TABLE {schema}.{name}"
        )
        commit(project.path)
    return project


def rev(project: Project, name: str) -> str:
    """The id of a revision, by its message."""
    return id_of(revision(project, name))


def refused(project: Project, *words: str) -> str:
    """What `db remove` says, after a look that it did nothing but say it."""
    before = files(project)
    done = project.db("remove", *words, ok=False)
    assert done.returncode == 1
    assert "Traceback" not in said(done)
    assert files(project) == before
    return " ".join(said(done).split())


def files(project: Project) -> dict[str, str]:
    """The revisions and head.txt, by their names."""
    folder = project.path / "migrations"
    return {path.name: path.read_text() for path in [*project.versions, folder / "head.txt"]}


def undo(project: Project, done: Finished) -> None:
    """Type the git command that was printed."""
    found = re.search(r"^Undo: (git [^&\n]*)", done.stderr, re.MULTILINE)
    assert found, done.stderr
    run("sh", "-c", found[1], cwd=project.path)


def history(project: Project) -> list[str]:
    """The messages, oldest first."""
    lines = project.alembic("history").stdout.splitlines()
    return [line.split(", ")[-1] for line in reversed(lines)]


def parents(path: Path) -> list[str]:
    """What a file says that it follows."""
    found = re.search(r"^down_revision.*?= (.*)$", path.read_text(), re.MULTILINE)
    assert found
    return re.findall('"(.*?)"', found[1])
