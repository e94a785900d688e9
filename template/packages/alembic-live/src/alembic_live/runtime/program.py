"""Alembic's commands from Python: `run_command(project, alembic.command.upgrade, "head")`."""

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any, TextIO, TypeVar

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine

from alembic_live.address import Address
from alembic_live.alembic_ini import set_version_locations
from alembic_live.internals import alembic as internals
from alembic_live.postgres.connection import CANCELLED, STEP, make_engine
from alembic_live.project import Project

Result = TypeVar("Result")

log = logging.getLogger("alembic.migrations")


# The commands that run env.py and write nothing; `history` and `show` do so to mark the current one.
READING = ("check", "current", "history", "show")

APPLIED = "on_version_apply"  # the attribute of the Config with a further function of that name

# Alembic keeps the current command in module globals: a process runs one at a time.
_one_at_a_time = threading.RLock()


def run_command(
    project: Project,
    function: Callable[..., Result],
    *arguments: Any,
    connection: Connection | Engine | None = None,
    cancelled: threading.Event | None = None,
    output: TextIO | None = None,
    versions: Sequence[Path] = (),
    directives: Callable[..., None] | None = None,
    batches: bool = False,
    applied: Callable[..., None] | None = None,
    **options: Any,
) -> Result:
    """Run one of `alembic.command`'s functions on this project, safely from any thread.

    In async code: `await asyncio.to_thread(run_command, project, command.upgrade, "head")`. A direct call
    works too, but blocks the event loop. The logging of the program is left as it is.

    Args:
        project: the project.
        function: the function of `alembic.command`.
        arguments: its arguments after the Config.
        connection: a connection or an engine, instead of one to the project's database.
        cancelled: an event that ends the command between two revisions, or while it waits.
        output: where `--sql` writes to.
        versions: other folders of revisions.
        directives: reviews a new revision, instead of `autogenerate.review`.
        batches: apply many revisions in one transaction. For a database without other sessions.
        applied: called after each revision, before its commit, as Alembic's `on_version_apply` is.
        options: the keyword arguments of the function.

    Raises:
        CommandError: the command failed, and the text says what to do.
    """
    cancelled = cancelled or threading.Event()
    if connection is None and project.is_moved:
        connection = make_engine(project.migration_address, name=f"{project.name} migrations")
    config = project.config
    config.output_buffer = output or sys.stdout
    config.attributes.update(command=function.__name__, connection=connection, cancelled=cancelled)
    if versions:
        _use_folders(config, versions)
    if batches:
        config.attributes["batches"] = True
    if applied:
        config.attributes[APPLIED] = applied
    if directives:
        config.attributes["process_revision_directives"] = directives
    with _turn(cancelled):
        return function(config, *arguments, **options)


def _use_folders(config: Config, versions: Sequence[Path]) -> None:
    """Let Alembic read the revisions from other folders than the project's."""
    set_version_locations(config, versions)
    config.set_section_option("post_write_hooks", "hooks", "")  # they are about the project's


def command_of(config: Config) -> str | None:
    """The name of the command in progress; None if a program called Alembic without `run_command`."""
    if config.cmd_opts is not None:
        return internals.command_of(config)
    return config.attributes.get("command")


def compares(config: Config) -> bool:
    """Whether the command in progress compares the models with the database."""
    return command_of(config) in ("revision", "check", None)


def may_write(config: Config) -> bool:
    """Whether the command in progress may write to the database. One without a name may."""
    return command_of(config) not in READING


async def upgrade_to_head(project: Project) -> None:
    """Migrate the project's database to the head, as an application does when it starts. With
    `target = heads` in alembic.ini it migrates to all heads.

    Concurrent replicas may all call it. The event loop stays free. After a cancellation it stops at the
    next safe point, which is the end of the current revision or of a wait, and returns then. It does
    not return while its thread migrates, however often it is cancelled.

    Raises:
        CommandError: the upgrade failed, and the text says what to do.
        ConfigurationError: `target` in alembic.ini is neither head nor heads.
    """
    from alembic.command import upgrade

    cancelled = threading.Event()
    work = partial(
        copy_context().run, run_command, project, upgrade, project.target, cancelled=cancelled
    )
    # Not a task: the end of a loop cancels tasks, and the thread would go on.
    thread = asyncio.get_running_loop().run_in_executor(None, work)
    cancellation: asyncio.CancelledError | None = None
    try:
        while not thread.done():
            try:
                await asyncio.wait([thread])
            except asyncio.CancelledError as error:
                if cancellation is None:
                    log.warning("The migration is cancelled. It stops at the next safe point.")
                cancellation = error
                cancelled.set()
    finally:
        cancelled.set()  # a loop may end without a cancellation
    if cancellation is None:
        thread.result()
        return
    raise cancellation from thread.exception()


def replay(
    project: Project, database: Address, *revisions: str, versions: Sequence[Path] = ()
) -> None:
    """Upgrade an empty database to revisions; without any, it gets the schema of the tables only.

    Args:
        database: the empty one.
        revisions: their ids.
        versions: the folders that they are in, if these are not the project's.

    Raises:
        CommandError: a revision fails; the text says which one and why.
    """

    engine = make_engine(database)
    if not revisions:
        run_command(project, command.downgrade, "base", connection=engine)
    for revision in revisions:
        run_command(
            project, command.upgrade, revision, connection=engine, versions=versions, batches=True
        )


@contextmanager
def _turn(cancelled: threading.Event) -> Iterator[None]:
    """Wait until no other thread runs a command.

    Raises:
        CommandError: it was cancelled during the wait.
    """
    while not _one_at_a_time.acquire(timeout=STEP):
        if cancelled.is_set():
            raise CommandError(CANCELLED)
    try:
        yield
    finally:
        _one_at_a_time.release()
