"""Revisions by hand, and git around them, as a person makes them."""

import re
from pathlib import Path
from textwrap import indent

from edit import edit
from project import Project, run, said

UP = '    """Bring the schema to this revision."""\n'
DOWN = '    """Take the schema back to the revision before."""\n'

NOTES = "5f0e1c2d3a4b"  # the id of the first revision

REVISION = '''"""{message}

Revision ID: {revision}
Revises: {follows}
Create Date: {created}

"""

import sqlalchemy as sa
from alembic import op
from alembic_live import operations

revision = "{revision}"
down_revision = {follows!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
{up}


def downgrade() -> None:
{down}
'''


def git(project: Project, *arguments: str, ok: bool = True) -> str:
    """What git prints."""
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    return said(run("git", *identity, *arguments, cwd=project.path, ok=ok))


def write_revision(
    project: Project, name: str, up: str | list[str], down: str, *options: str
) -> str:
    """Add a revision with a statement up, or several, and one down. Returns its id."""
    project.alembic("revision", "-m", name, *options)
    path = revision(project, name)
    statements = [up] if isinstance(up, str) else up
    ups = "".join(f"    op.execute({statement!r})\n" for statement in statements)
    edit(path, UP, UP + ups)
    edit(path, DOWN, f"{DOWN}    op.execute({down!r})\n")
    project.run("ruff", "format", "--quiet", path)
    return id_of(path)


def revision(project: Project, name: str) -> Path:
    """The file of a revision, by its message."""
    return project.file(f"migrations/versions/*_{name}.py")


def id_of(path: Path) -> str:
    """What it says that it is."""
    found = re.search(r'^revision.* = "(.*)"$', path.read_text(), re.MULTILINE)
    assert found
    return found[1]


def head(project: Project) -> str:
    """What migrations/head.txt says."""
    return (project.path / "migrations" / "head.txt").read_text().strip()


def current(project: Project) -> str:
    """The revision of the database, without the mark of a head or a branch point."""
    return " ".join(re.sub(r"\(\w+\)", "", project.alembic("current").stdout).split())


def revise(
    project: Project,
    revision: str,
    up: str,
    down: str = 'op.execute("SELECT 1")',
    *,
    follows: str | tuple[str, ...] | None = NOTES,
    message: str = "Change notes",
    created: str = "2026-01-02 00:00:00+00:00",
) -> Path:
    """Write a revision by hand."""
    path = project.path / "migrations" / "versions" / f"{revision}.py"
    path.write_text(
        REVISION.format(
            message=message,
            revision=revision,
            follows=follows,
            created=created,
            package=project.package,
            up=indent(up, "    "),
            down=indent(down, "    "),
        )
    )
    return path


def write_upgrade(project: Project, up: str) -> None:
    """Add a revision with these lines in its upgrade()."""
    project.alembic("revision", "-m", "by hand")
    path = project.file("migrations/versions/*_by_hand.py")
    edit(path, UP, UP + up)
