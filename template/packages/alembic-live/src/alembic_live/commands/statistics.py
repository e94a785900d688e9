"""`db statistics`: print the sizes of the tables, so that `db plan` can judge revisions without them."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from alembic.util import CommandError

from alembic_live.commands.plan.estimates.sizes import read_sizes
from alembic_live.commands.plan.estimates.statistics_file import FILE, as_file
from alembic_live.history.files import write_text
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.project import Project
from alembic_live.terminal import as_data, show_data, tell


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--output",
        metavar="FILE",
        help=f"Write to a file instead of stdout. `db plan` reads {FILE} beside alembic.ini.",
    )


def run(project: Project, arguments: Namespace) -> int:
    """Run the command and return its exit code."""
    sizes = with_connection(make_engine(project.migration_address), read_sizes)
    text = as_file(sizes)
    if arguments.output is None:
        show_data(as_data(text.rstrip()))
        return 0
    try:
        write_text(Path(arguments.output), text)
    except OSError as error:
        raise CommandError(f"{arguments.output} cannot be written: {error.strerror}.") from None
    tell(f"Wrote the sizes of {len(sizes)} tables to {arguments.output}.")
    return 0
