"""`db graph`: draw the tables or the revisions as a Mermaid diagram."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from alembic.util import CommandError

from alembic_live.commands.graph.diagrams import draw_history, draw_tables
from alembic_live.commands.graph.files import write_diagram
from alembic_live.errors import ConfigurationError
from alembic_live.history.graph import require_sound
from alembic_live.models import load_models
from alembic_live.project import Project
from alembic_live.runtime.version_table import current_revisions
from alembic_live.terminal import show, tell


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--history", action="store_true", help="Draw the revisions instead of the tables."
    )
    parser.add_argument(
        "--output", metavar="FILE", help="Write to a .mmd, .md or .svg file instead of stdout."
    )


def run(project: Project, arguments: Namespace) -> int:
    """Run the command and return its exit code."""
    diagram = draw(project, history=arguments.history, output=arguments.output, note=tell)
    if diagram:
        show(diagram.rstrip())
    return 0


def draw(
    project: Project,
    *,
    history: bool,
    output: str | None,
    note: Callable[[str], None],
) -> str | None:
    """Draw the tables of the models, or the history. Returns the diagram if there is no output file.

    Args:
        history: draw the revisions.
        output: the file.
        note: called with messages for people.

    Raises:
        CommandError: the models or the history cannot be loaded, or the file cannot be written.
    """
    diagram = _draw_history(project, note) if history else _draw_tables(project)
    if output is None:
        return diagram
    write_diagram(Path(output), diagram, "history" if history else "tables")
    note(f"Wrote {output}.")
    return None


def _draw_tables(project: Project) -> str:
    load_models(project)
    return draw_tables(project.tables)


def _draw_history(project: Project, note: Callable[[str], None]) -> str:
    script = project.script
    require_sound(script)
    current: tuple[str, ...] = ()
    try:
        current = current_revisions(project)
    except (CommandError, ConfigurationError) as error:
        note(f"The diagram does not mark the database's revision: {error}")
    return draw_history(script, current)
