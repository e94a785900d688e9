"""Rehearses revisions: runs them on a scratch database that has the schema of the live one."""

import json
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field

from alembic import command
from alembic.script import Script
from alembic.util import CommandError
from sqlalchemy import Connection

from alembic_live.address import Address
from alembic_live.commands.plan.rehearsal.effects import RelationName
from alembic_live.commands.plan.rehearsal.inventory import Inventory, SchemaChange
from alembic_live.commands.plan.rehearsal.observation import Observed
from alembic_live.commands.plan.rehearsal.recorder import Recorder, ServerChangeError
from alembic_live.commands.plan.rehearsal.schema_copy import copy_schema
from alembic_live.commands.plan.rehearsal.statement import RehearsedStatement
from alembic_live.commands.plan.steps import Steps
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.dump import (
    Difference,
    comparable,
    read_schema,
    unified_differences,
)
from alembic_live.postgres.relations import PROGRESS
from alembic_live.postgres.scratch import scratch_databases
from alembic_live.printable import one_line
from alembic_live.project import Project
from alembic_live.runtime.configuration import configuration_at
from alembic_live.runtime.program import replay, run_command
from alembic_live.terminal import bar, clear_progress, show_progress, tell

# https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-REPLICA-IDENTITY
WITHOUT_IDENTITY = """
SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname)), '[]')::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND NOT CASE c.relreplident
    WHEN 'f' THEN true WHEN 'n' THEN false
    WHEN 'd' THEN EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
    ELSE EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident) END
"""


@dataclass(slots=True)
class RehearsedRevision:
    """A revision, and what it has done on the scratch database.

    Attributes:
        revision: the revision.
        statements: its statements, in order.
        schema: what it has made, dropped and renamed.
        without_identity: the tables without a replica identity afterwards.
        failure: why it fails there, or why it was not run.
        failed_line: the line of its file that fails, if it is known, else 1.
    """

    revision: Script
    statements: list[RehearsedStatement] = field(default_factory=list)
    schema: SchemaChange = field(default_factory=SchemaChange)
    without_identity: frozenset[RelationName] = frozenset()
    failure: str | None = None
    failed_line: int = 1


@dataclass(slots=True)
class Rehearsal:
    """The revisions of a plan, in order.

    Attributes:
        revisions: what each has done.
        observed: the relations of the scratch database.
        without_identity: the tables without a replica identity before the first revision.
        differences: those between the schema before and after, as unified diffs; None if nobody asked
            for them.
    """

    revisions: list[RehearsedRevision]
    observed: Observed
    without_identity: frozenset[RelationName]
    differences: list[Difference] | None


def rehearse(
    project: Project,
    steps: Steps,
    *,
    live: Address | None,
    compares: bool = False,
) -> Rehearsal:
    """Run revisions on a scratch database, with empty tables.

    Args:
        project: the project.
        steps: the revisions.
        live: the database that has the schema. Without one, the history makes it.
        compares: whether to compare the schema of before with that of afterwards.

    Raises:
        CommandError: there is no scratch database, or it cannot get the schema.
    """
    try:
        return _rehearse(project, steps, live, compares=compares, is_local=False)
    except ServerChangeError as error:
        clear_progress()
        tell(f"{error} So the rehearsal is on a local server.")
        return _rehearse(project, steps, live, compares=compares, is_local=True)


def _rehearse(
    project: Project, steps: Steps, live: Address | None, *, compares: bool, is_local: bool
) -> Rehearsal:
    with scratch_databases(project, is_local=is_local) as make:
        scratch = make()
        table = configuration_at(project, scratch).version_table.name
        make_schema(project, scratch, steps, live)
        if live is not None:
            stamped = list(steps.current) or "base"
            run_command(project, command.stamp, stamped, connection=make_engine(scratch))
        before = comparable(read_schema(scratch, version_table=table)) if compares else {}
        engine, ignored = make_engine(scratch), [table, PROGRESS]
        rehearsal = with_connection(
            engine,
            lambda connection: _run(
                project,
                Recorder(connection, scratch, ignored, may_change_server=is_local),
                connection,
                steps,
                ignored,
            ),
        )
        if compares:
            after = comparable(read_schema(scratch, version_table=table))
            rehearsal.differences = unified_differences(before, after)
        clear_progress()
        return rehearsal


def make_schema(project: Project, scratch: Address, steps: Steps, live: Address | None) -> None:
    """Create what the database has before the first revision: a copy of the live schema, or without
    a live database that of the history.

    Raises:
        CommandError: the schema cannot be copied, or the history cannot be replayed.
    """
    if live is None:
        show_progress("Replaying the history")
        replay(project, scratch, *steps.current)
    else:
        show_progress("Copying the schema")
        table = configuration_at(project, scratch).version_table.name
        copy_schema(live, scratch, table)


def _run(
    project: Project,
    recorder: Recorder,
    connection: Connection,
    steps: Steps,
    ignored: list[str],
) -> Rehearsal:
    with connection.begin():
        inventory = Inventory(recorder.ask, ignored)
        without_identity = _without_identity(recorder)
    done: list[RehearsedRevision] = []
    files = {_source_of(each): each for each in steps.revisions}

    def applied(**_arguments: object) -> None:
        statements = recorder.finish()
        revision = steps.revisions[len(done)]
        changed = inventory.change()
        without = _without_identity(recorder)
        done.append(RehearsedRevision(revision, statements, changed, without))
        share = len(done) / len(files)
        show_progress(f"Rehearsing {bar(share)} {len(done)} of {len(files)} revisions")

    function = command.downgrade if steps.is_downgrade else command.upgrade
    failure, line = None, 1
    with recorder.recording(files):
        try:
            run_command(project, function, steps.target, connection=connection, applied=applied)
        except Exception as error:  # the code of a revision may expect rows
            path, line = _place_of(error, files)
            failure = f"{path}:{line}: {type(error).__name__}: {one_line(str(error))}"
            if isinstance(error, CommandError):
                failure = str(error)
    if recorder.server_change:
        raise recorder.server_change
    rest = steps.revisions[len(done) :]
    for revision in rest[:1]:
        done.append(
            RehearsedRevision(
                revision, recorder.statements, failure=failure or "not run", failed_line=line
            )
        )
    done += [
        RehearsedRevision(revision, failure=f"not run, because {rest[0].revision} fails")
        for revision in rest[1:]
    ]
    return Rehearsal(done, recorder.observed, without_identity, None)


def _source_of(revision: Script) -> str:
    """The file that frames of a revision's code name. A compiled revision names its source."""
    code = getattr(getattr(revision.module, "upgrade", None), "__code__", None)
    return code.co_filename if code else revision.path


def _place_of(error: BaseException, files: Mapping[str, Script]) -> tuple[str, int]:
    """The file and line of the revision that an error comes from, else the first one's."""
    cause: BaseException | None = error
    while cause:
        for frame in reversed(traceback.extract_tb(cause.__traceback__)):
            if frame.filename in files:
                return frame.filename, frame.lineno or 1
        cause = cause.__cause__ or cause.__context__
    return next(iter(files)), 1


def _without_identity(recorder: Recorder) -> frozenset[RelationName]:
    rows = json.loads(recorder.ask(WITHOUT_IDENTITY))
    return frozenset(RelationName(*row) for row in rows)
