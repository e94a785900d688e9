"""Alembic's commands from Python: `run_command(alembic.command.upgrade, "head")`."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any, TextIO, TypeVar

from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine

from ..paths import PROJECT_ROOT

Result = TypeVar("Result")

log = logging.getLogger("alembic.migrations")

CANCELLED = "The migration was cancelled. What was not finished was not applied."
STEP = 0.2  # seconds until a wait notices that it is cancelled

# Alembic keeps the command in progress in module globals: one at a time in a process.
_one_at_a_time = threading.RLock()


def run_command(
    command: Callable[..., Result],
    *arguments: Any,
    connection: Connection | Engine | None = None,
    cancelled: threading.Event | None = None,
    output: TextIO | None = None,
    versions: Path | None = None,
    directives: Callable[..., None] | None = None,
    **options: Any,
) -> Result:
    """Run one of `alembic.command`'s functions on this project, safely from any thread.

    It works inside a running event loop too, but blocks it: `await asyncio.to_thread(
    run_command, command.upgrade, "head")` does not. Logging stays as the program set it up. Setting the
    event `cancelled` ends it between two revisions, or while it waits. SQL goes to `output`.
    `versions` is another folder of revisions; `directives` reviews a new one in the place of
    `autogenerate.review`.

    Raises:
        CommandError: the command failed in a way that a person can mend; the text says how.
    """
    cancelled = cancelled or threading.Event()
    config = Config(PROJECT_ROOT / "alembic.ini", output_buffer=output)
    config.attributes.update(command=command.__name__, connection=connection, cancelled=cancelled)
    if versions:
        config.set_main_option("version_locations", str(versions).replace("%", "%%"))
        config.set_section_option("post_write_hooks", "hooks", "")  # they are about the project's
    if directives:
        config.attributes["process_revision_directives"] = directives
    with _turn(cancelled):
        return command(config, *arguments, **options)


def command_of(config: Config) -> str | None:
    """The name of the command in progress; None where a program called Alembic by itself."""
    if config.cmd_opts is not None:
        command = getattr(config.cmd_opts, "cmd", None)
        return command[0].__name__ if command else None
    return config.attributes.get("command")


def compares(config: Config) -> bool:
    """Whether the command in progress compares the models with the database."""
    return command_of(config) in ("revision", "check", None)


async def upgrade_to_head() -> None:
    """Migrate the database of the settings, as an application does when it starts.

    It is safe to call from every replica at once, and leaves the event loop free. Cancelled, it
    stops at the next safe point and returns then: after the revision in progress, or soon where
    it waits for a lock or for another process. However often it is cancelled, it does not return
    while its thread migrates.

    Raises:
        CommandError: the upgrade failed in a way that a person can mend; the text says how.
    """
    from alembic.command import upgrade

    cancelled = threading.Event()
    work = partial(copy_context().run, run_command, upgrade, "head", cancelled=cancelled)
    # A future and no task: the end of a loop cancels tasks, and the thread would go on.
    thread = asyncio.get_running_loop().run_in_executor(None, work)
    cancellation: asyncio.CancelledError | None = None
    try:
        while not thread.done():
            try:
                await asyncio.wait([thread])
            except asyncio.CancelledError as error:
                if cancellation is None:
                    log.warning("The migration is cancelled; it stops at the next safe point.")
                cancellation = error
                cancelled.set()
    finally:
        cancelled.set()  # a loop may end without cancelling
    if cancellation is None:
        thread.result()
        return
    raise cancellation from thread.exception()


@contextmanager
def _turn(cancelled: threading.Event) -> Iterator[None]:
    """Wait until no other thread runs a command.

    Raises:
        CommandError: it was cancelled meanwhile.
    """
    while not _one_at_a_time.acquire(timeout=STEP):
        if cancelled.is_set():
            raise CommandError(CANCELLED)
    try:
        yield
    finally:
        _one_at_a_time.release()
