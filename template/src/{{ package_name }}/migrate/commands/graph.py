"""What `db graph` draws."""

from collections.abc import Callable
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from ...errors import ConfigurationError
from ..graph.files import write_diagram
from ..graph.history import draw_history
from ..graph.tables import draw_tables
from ..history import require_sound
from ..version_table import current_revisions


def draw(
    config: Config, *, history: bool, output: str | None, note: Callable[[str], None]
) -> str | None:
    """Draw the tables, or the history. Returns the diagram where it goes into no file.

    Args:
        config: Alembic's.
        history: whether it is of the revisions.
        output: the file.
        note: what else there is to say to a person.

    Raises:
        CommandError: the models or the history cannot be loaded, or the file cannot be written.
    """
    diagram = _draw_history(config, note) if history else _draw_tables()
    if output is None:
        return diagram
    write_diagram(Path(output), diagram, "history" if history else "tables")
    note(f"Wrote {output}.")
    return None


def _draw_tables() -> str:
    from ...database.metadata import metadata
    from ..models import load_models

    load_models()
    return draw_tables(metadata)


def _draw_history(config: Config, note: Callable[[str], None]) -> str:
    script = ScriptDirectory.from_config(config)
    require_sound(script)
    current: tuple[str, ...] = ()
    try:
        current = current_revisions()
    except (CommandError, ConfigurationError) as error:
        note(f"Where the database is, is not marked: {error}")
    return draw_history(script, current)
