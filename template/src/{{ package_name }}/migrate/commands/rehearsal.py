"""What the removal of a revision would do, tried out in scratch databases."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from alembic.util import CommandError

from ...config import settings
from ...paths import relative
from ..command import run_command
from ..connection import make_engine
from ..revision_files import VERSIONS, RevisionFile, names_in
from ..schema_dump import Difference, comparable, differences, read_schema
from ..scratch import replay, scratch_databases
from .one_step import downgrade


@contextmanager
def changed_history(written: Mapping[str, str]) -> Iterator[Path]:
    """A temporary folder with the project's revisions, in which some files are other or new.

    Args:
        written: their texts, by their names.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "versions"
        shutil.copytree(VERSIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
        for name, text in written.items():
            (folder / name).write_text(text, encoding="utf-8")
        yield folder


def rehearse_without(file: RevisionFile, changed: Mapping[Path, str]) -> None:
    """Apply the history without a revision, with some files changed.

    Raises:
        CommandError: it cannot be applied; the text says why.
    """
    written = {path.name: text for path, text in changed.items()}
    with changed_history(written) as folder, scratch_databases() as make:
        (folder / file.path.name).unlink()
        scratch = make()
        try:
            replay(scratch, "heads", versions=folder)
        except CommandError as error:
            reason = str(error).replace(str(folder), relative(VERSIONS))
            raise CommandError(
                f"Without {file.revision} the history cannot be applied, so nothing was done: {reason}"
            ) from error


def rehearse_downgrade(file: RevisionFile) -> list[Difference]:
    """Apply a revision and take it back. Returns what is not as it was before.

    Raises:
        CommandError: it cannot be applied or taken back; the text says why.
    """
    source = file.path.read_text(encoding="utf-8")
    with scratch_databases() as make:
        scratch = make()
        replay(scratch, *file.follows, *names_in(source, "depends_on"))
        before = comparable(read_schema(scratch, "--no-privileges"))
        replay(scratch, file.revision)
        try:
            engine = make_engine(scratch, settings.migration_driver)
            run_command(downgrade, file.revision, connection=engine)
        except NotImplementedError as error:
            raise CommandError(
                f"{file.revision} says that it cannot be taken back: {error or 'NotImplementedError'}. "
                "Undo it in a new revision."
            ) from error
        after = comparable(read_schema(scratch, "--no-privileges"))
    return differences(after, before, "after its downgrade", "before its upgrade")
