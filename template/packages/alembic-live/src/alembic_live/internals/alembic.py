"""Undocumented parts of Alembic."""

import logging
import re
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any
from warnings import WarningMessage

import alembic
from alembic import context
from alembic import util as alembic_util
from alembic.autogenerate import render
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.ddl import postgresql as alembic_postgresql
from alembic.operations import ops
from alembic.runtime import migration as alembic_migration
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.script import revision as alembic_revision
from alembic.util import CommandError
from sqlalchemy import Inspector
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.types import TypeEngine

from alembic_live.internals import Internal, absent, attribute, require

LIBRARY = "alembic"

StepsOf = Callable[[tuple[str, ...], MigrationContext], Any]

# The commands that move the database to a revision.
_CHANGING = ("upgrade", "downgrade", "stamp")


# The steps of a command


def moves_the_database(command: str | None) -> bool:
    """Whether the command in progress moves the database to a revision.

    `context.get_revision_argument()` is public, but how it says that there is none is not.

    Args:
        command: the name of the command, if it is known.

    Raises:
        IncompatibleLibraryError: the command has no such argument, though it should.
    """
    try:
        context.get_revision_argument()
    except KeyError as error:
        if error.args == ("destination_rev",):
            if command in _CHANGING:
                raise absent(LIBRARY, f"the revision argument of {command}") from error
            return False
    except CommandError:
        pass  # it is an unknown or an ambiguous one
    return True


def steps_of(migration: MigrationContext, heads: tuple[str, ...]) -> list[Any]:
    """The steps that the command in progress would take from some revisions.

    The commands give Alembic a function for that, which only `MigrationContext.opts` has.

    Raises:
        IncompatibleLibraryError: there is no such function, or a step has another form.
        AmbiguousTargetError: a relative target has several meanings.
        CommandError: there is no way to the revision that the command names.
    """
    function = migration.opts.get("fn")
    if not callable(function):
        raise absent(LIBRARY, 'MigrationContext.opts["fn"]')
    with _unambiguous():
        steps = list(function(heads, migration))
    for step in steps:
        if is_revision_step(step):
            # What a revision does. It is wrapped, to protect the revision's transaction.
            if not callable(vars(step).get("migration_fn")):
                raise absent(LIBRARY, "RevisionStep.migration_fn")
            if not isinstance(getattr(step, "is_upgrade", None), bool):
                raise absent(LIBRARY, "RevisionStep.is_upgrade")
            if not isinstance(getattr(step, "revision", None), Script):
                raise absent(LIBRARY, "RevisionStep.revision")
        elif not isinstance(step, alembic_migration.StampStep):
            raise absent(LIBRARY, "RevisionStep and StampStep as the only steps")
    return steps


def is_revision_step(step: object) -> bool:
    """Whether a step runs a revision. Those of `stamp` do not."""
    return isinstance(step, alembic_migration.RevisionStep)


def when_recorded(migration: MigrationContext, work: Callable[[MigrationContext], None]) -> None:
    """Call a function once, in the transaction in which Alembic records the revision that runs now.
    Callbacks are public as an argument of `context.configure()` only.

    Raises:
        IncompatibleLibraryError: Alembic has no such callbacks.
    """
    require(CALLBACKS)
    callbacks = migration.on_version_apply_callbacks
    if any(getattr(each, "work", None) is work for each in callbacks):
        return

    def once(ctx: MigrationContext, **_: Any) -> None:
        ctx.on_version_apply_callbacks = callbacks
        work(ctx)

    once.work = work  # type: ignore[attr-defined]
    migration.on_version_apply_callbacks = (*callbacks, once)


CALLBACKS = (
    Internal(
        LIBRARY,
        "MigrationContext.on_version_apply_callbacks",
        lambda: "on_version_apply_callbacks" in MigrationContext.__init__.__code__.co_names,
    ),
)


def step_of(script: ScriptDirectory, revision: str, *, is_upgrade: bool) -> Any:
    """The step that runs one revision. Alembic's public commands take a target instead, which may
    need others first.

    Raises:
        IncompatibleLibraryError: Alembic does not make one from a script.
    """
    require(STEPS)
    make = alembic_migration.MigrationStep.downgrade_from_script
    if is_upgrade:
        make = alembic_migration.MigrationStep.upgrade_from_script
    return make(script.revision_map, script.get_revision(revision))


STEPS = (
    attribute(LIBRARY, "alembic.runtime.migration", "MigrationStep.upgrade_from_script"),
    attribute(LIBRARY, "alembic.runtime.migration", "MigrationStep.downgrade_from_script"),
)


def configured_with(
    migration: MigrationContext, steps: StepsOf, **options: Any
) -> MigrationContext:
    """The context of the command in progress, configured again with everything that env.py gave, with
    other steps, and with other options.

    Raises:
        IncompatibleLibraryError: Alembic does not take the steps.
    """
    with _quiet():  # it has logged the same before
        given = migration.opts | {"fn": steps} | options
        context.configure(connection=migration.connection, **given)
    configured = context.get_context()
    if configured.opts.get("fn") is not steps:
        raise absent(LIBRARY, "context.configure(fn=…)")
    return configured


def option(migration: MigrationContext, name: str) -> Any:
    """An argument of `context.configure()` or of the command, such as `include_name` or `dont_mutate`;
    None if it is not given.
    """
    return migration.opts.get(name)


def only_read(migration: MigrationContext) -> None:
    """Let Alembic create no version table. `current` does so by itself, and `check` does not."""
    migration.opts["dont_mutate"] = True


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger(MigrationContext.__module__)
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


@cache
def _probe() -> MigrationContext:
    opts = {"fn": _no_steps, "purge": True, "version_table": "t", "version_table_schema": "s"}
    with _quiet():
        return MigrationContext.configure(dialect_name="postgresql", opts=opts)


def _no_steps(_heads: tuple[str, ...], _migration: MigrationContext) -> Sequence[Any]:
    return ()


# What `upgrade`, `downgrade` and `stamp` need, besides what `steps_of` checks on the steps.
MIGRATION = (
    Internal(LIBRARY, "MigrationContext.opts", lambda: _probe().opts["fn"] is _no_steps),
    Internal(LIBRARY, "MigrationContext.purge", lambda: _probe().purge is True),
    Internal(LIBRARY, "MigrationContext.version_table", lambda: _probe().version_table == "t"),
    Internal(
        LIBRARY,
        "MigrationContext.version_table_schema",
        lambda: _probe().version_table_schema == "s",
    ),
    attribute(LIBRARY, "alembic.runtime.migration", "MigrationContext.autocommit_block"),
    attribute(LIBRARY, "alembic.runtime.migration", "RevisionStep"),
    attribute(LIBRARY, "alembic.runtime.migration", "StampStep"),
    attribute(LIBRARY, "alembic.script.revision", "MultipleHeads"),
    attribute(LIBRARY, "alembic.script.revision", "ResolutionError"),
)


# The command line


def command_of(config: Config) -> str | None:
    """The name of the command that Alembic's command line runs; None if it is not known. Then it
    counts as one that may do anything.
    """
    command = getattr(config.cmd_opts, "cmd", None)  # the function, and the names of its arguments
    return command[0].__name__ if command else None


# The history


def version_folders(script: ScriptDirectory) -> list[Path]:
    """The folders that Alembic reads revisions from. `ScriptDirectory.versions` is public, and fails
    if there are several.

    Raises:
        IncompatibleLibraryError: Alembic does not have the list of them.
    """
    if len(script.version_locations) < 2:
        return [Path(script.versions)]
    require(FOLDERS)
    return [Path(folder) for folder in script._version_locations]


def files_in_folder(script: ScriptDirectory, folder: Path) -> list[Path]:
    """The files among which Alembic looks for revisions in one of the folders, in its order.

    Raises:
        IncompatibleLibraryError: Alembic does not list them.
    """
    require(FOLDERS)
    return [Path(path) for path in Script._list_py_dir(script, folder)]


FOLDERS = (
    attribute(LIBRARY, "alembic.script", "Script._list_py_dir"),
    attribute(LIBRARY, "alembic.script", "ScriptDirectory._version_locations"),
)


def walked(
    script: ScriptDirectory, walk: Callable[[], Iterable[Script]], target: str, command: str
) -> list[Script]:
    """The revisions of a walk by `script.iterate_revisions`, whose errors Alembic does not document.

    Args:
        script: the history.
        walk: the walk.
        target: the target of the command, for messages.
        command: the name of the command, for messages.

    Raises:
        AmbiguousTargetError: a relative target has several meanings.
        CommandError: Alembic's commands have the same sentences.
        IncompatibleLibraryError: the errors are not the expected ones.
    """
    require(HISTORY)
    try:
        with _unambiguous():
            return list(walk())
    except alembic_revision.RangeNotAncestorError:
        raise CommandError(
            f"Destination {target} is not a valid {command} target from current head(s)"
        ) from None
    except (alembic_revision.MultipleHeads, alembic_revision.ResolutionError) as error:
        script.get_revisions(target)  # raises the sentence
        raise CommandError(str(error)) from None
    except alembic_revision.RevisionError as error:
        raise CommandError(str(error)) from None


class AmbiguousTargetError(CommandError):
    """A relative target, such as `-1`, has several meanings. The text is Alembic's."""


_AMBIGUOUS = ("Ambiguous walk", "Ambiguous upgrade from multiple current revisions")


@contextmanager
def _unambiguous() -> Iterator[None]:
    """Raise an AmbiguousTargetError where Alembic raises an error of one of three kinds, or warns and
    takes back any one of several heads.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", ".* from multiple heads is ambiguous", UserWarning)
            yield
    except (CommandError, alembic_revision.RevisionError, UserWarning, AssertionError) as error:
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        is_alembics = frames[-1].f_globals.get("__name__", "").startswith("alembic.")
        if str(error) in _AMBIGUOUS or (
            is_alembics and isinstance(error, UserWarning | AssertionError)
        ):
            raise AmbiguousTargetError(str(error)) from error
        raise


HISTORY = tuple(
    attribute(LIBRARY, "alembic.script.revision", name)
    for name in ("MultipleHeads", "RangeNotAncestorError", "ResolutionError", "RevisionError")
)


def is_about_several_heads(error: BaseException) -> bool:
    """Whether Alembic's error says that there are several heads and one is needed."""
    return isinstance(error.__cause__, alembic_revision.MultipleHeads)


def is_about_differences(error: BaseException) -> bool:
    """Whether `alembic check` ends because autogenerate finds differences."""
    return isinstance(error, alembic_util.AutogenerateDiffsDetected)


def is_about_an_unknown_revision(error: BaseException) -> bool:
    """Whether Alembic's error says that no file has a revision."""
    return isinstance(error.__cause__, alembic_revision.ResolutionError)


def is_about_a_database_behind(error: BaseException) -> bool:
    """Whether Alembic refuses to compare a database that is not at the newest revision. It has only
    the text. If that changes, it is shown as it is.
    """
    return str(error) == "Target database is not up to date."


_OVERLAP = re.compile(r"Requested revision (\S+) overlaps with other requested revisions (.+)")


def overlap_in(error: BaseException) -> tuple[str, str] | None:
    """The revision and its ancestors, if the version table has both. Alembic has only the text. If
    that changes, it is shown as it is.
    """
    found = _OVERLAP.fullmatch(str(error))
    return (found[1], found[2]) if found else None


_TOO_FEW = re.compile(r"Relative revision ([+-]\d+) didn't produce \d+ migrations")


def relative_target_of(error: BaseException) -> str | None:
    """The relative target, such as `+2` or `-1`, for which Alembic finds too few revisions. It has
    only the text. If that changes, it is shown as it is.
    """
    found = _TOO_FEW.fullmatch(str(error))
    return found[1] if found else None


_TWICE = re.compile(r"Revision (\S+) is present more than once")
_MISSING = re.compile(r"Revision (\S+) referenced from .* is not present")


def flaw_in_history(warning: WarningMessage) -> tuple[str, str] | None:
    """What Alembic warns of when it loads the revisions, before it goes on with one of two files or
    fails: `twice` or `missing`, and the revision; `unknown` and the text of any other warning; None
    if other code warns.
    """
    text = str(warning.message)
    if found := _TWICE.match(text):
        return "twice", found[1]
    if found := _MISSING.match(text):
        return "missing", found[1]
    is_alembics = Path(alembic.__file__).parent in Path(warning.filename).parents
    return ("unknown", text) if is_alembics and warning.category is UserWarning else None


# Autogenerate

_CALL = re.compile(r"(?:\w+\.)*(\w+)(\(.*\))", re.DOTALL)


def rendered(context: AutogenContext, operation: ops.MigrateOperation) -> str:
    """What autogenerate writes for an operation. The public function takes a whole script.

    Raises:
        IncompatibleLibraryError: Alembic does not have the function.
    """
    require(AUTOGENERATE)
    return render.render_op_text(context, operation)


def rendered_call(context: AutogenContext, operation: ops.MigrateOperation) -> tuple[str, str]:
    """The name of the function that autogenerate calls for an operation, without `op.`, and its
    arguments in parentheses.

    Raises:
        IncompatibleLibraryError: it is not a single call.
    """
    call = _CALL.fullmatch(rendered(context, operation).strip())
    if call is None:
        raise absent(LIBRARY, f"a single call for {type(operation).__name__} in autogenerate")
    return call[1], call[2]


def rendered_type(context: AutogenContext, type_: TypeEngine[Any]) -> str:
    """What autogenerate writes for a type, in an operation or in another type.

    Raises:
        IncompatibleLibraryError: Alembic does not have the function.
    """
    require(AUTOGENERATE)
    return render._repr_type(type_, context)


def rendered_exclusion(context: AutogenContext, constraint: ExcludeConstraint) -> str:
    """What autogenerate writes for an exclusion constraint in a table.

    Raises:
        IncompatibleLibraryError: Alembic does not have the function.
    """
    require(AUTOGENERATE)
    return alembic_postgresql._exclude_constraint(constraint, context, False)


AUTOGENERATE = (
    attribute(LIBRARY, "alembic.ddl.postgresql", "_exclude_constraint"),
    attribute(LIBRARY, "alembic.autogenerate.render", "render_op_text"),
    attribute(LIBRARY, "alembic.autogenerate.render", "_repr_type"),
)


def reflect_at_once(
    inspector: Inspector, tables: Mapping[str | None, tuple[Sequence[str], Sequence[str]]]
) -> dict[str, dict[tuple[str | None, str], Any]]:
    """Read all tables of several schemas before the comparison. Alembic does that for one schema, and
    reads each table of another one by itself.

    Args:
        inspector: the inspector of the comparison.
        tables: for each schema the tables to read, and all tables in it.

    Returns:
        What was read: `indexes`, `columns` and the like, each by schema and table. The comparison
        takes it from there.

    Raises:
        IncompatibleLibraryError: Alembic does not take it from there.
    """
    require(REFLECTION)
    found: dict[str, dict[tuple[str | None, str], Any]] = {}
    for kind in REFLECTED:
        read = getattr(inspector, f"get_multi_{kind}")
        found[kind] = {}
        try:
            for schema, (names, present) in tables.items():
                if names:
                    # Many names make a slow query.
                    most = len(names) > 100 and len(names) > len(present) / 2
                    found[kind] |= read(schema=schema, filter_names=None if most else names)
        except NotImplementedError:  # SQLAlchemy 2.0 reads no options of tables
            continue
        inspector.info_cache[f"alembic_{kind}"] = found[kind]
    return found


REFLECTED = (
    *("columns", "pk_constraint", "foreign_keys", "indexes", "unique_constraints"),
    *("table_comment", "check_constraints", "table_options"),
)


def _takes_reflection_from_cache() -> bool:
    cached = object()
    inspector: Any = SimpleNamespace(info_cache={"alembic_columns": {(None, "t"): cached}})
    reflection: Any = import_module("alembic.autogenerate.compare.util")
    reader = reflection._InspectorConv(inspector)
    found = reader._return_from_cache("t", None, "alembic_columns", None)
    return found is cached and set(reflection._INSP_KEYS) == set(REFLECTED)


REFLECTION = (Internal(LIBRARY, 'Inspector.info_cache["alembic_…"]', _takes_reflection_from_cache),)


def altered_type(frame: FrameType) -> tuple[str | None, str] | None:
    """The types before and after a changed type, as SQL, if Alembic emits its statement in this
    frame. The first is None if the revision does not say it.
    """
    construct = frame.f_locals.get("construct")
    if not isinstance(construct, alembic_postgresql.PostgresqlColumnType):
        return None
    dialect, old = postgresql.dialect(), construct.existing_type  # type: ignore[no-untyped-call]
    if construct.using is not None:
        return None
    return old.compile(dialect) if old is not None else None, construct.type_.compile(dialect)
