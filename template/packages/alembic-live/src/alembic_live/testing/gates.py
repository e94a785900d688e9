"""Tests for every history of revisions. Import them into a test module of the project."""

from contextlib import suppress
from pathlib import Path

import pytest
from alembic import command
from alembic.script import Script
from alembic.util import CommandError
from sqlalchemy import Connection

from alembic_live.address import Address
from alembic_live.commands.plan.budget import Budget, describe_finding
from alembic_live.commands.plan.command import make_plan
from alembic_live.history.git import main_branch
from alembic_live.history.graph import names_of, require_sound
from alembic_live.history.head_file import problem_with_head_file
from alembic_live.history.heads import problem_with_heads
from alembic_live.history.irreversible import why_irreversible
from alembic_live.internals.alembic import is_about_differences
from alembic_live.models import load_models
from alembic_live.other_models import left_out_models
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.dump import (
    Difference,
    Schema,
    comparable,
    differences,
    read_schema,
)
from alembic_live.postgres.exceptions import FILE, Exceptions
from alembic_live.postgres.schema_file import problem_with_schema_file
from alembic_live.project import Project
from alembic_live.runtime.configuration import configuration_at
from alembic_live.runtime.program import run_command
from alembic_live.testing.agreement import schema_differences
from alembic_live.testing.plugin import SINCE
from alembic_live.testing.populate import Population, concerns_values

AGREE = "test_the_models_and_the_migrations_agree"

__all__ = [
    "history",
    "test_every_model_is_found",
    "test_every_revision_can_be_applied_to_tables_with_rows",
    "test_every_revision_goes_up_and_down_and_up",
    "test_new_revisions_stay_within_the_limits",
    "test_the_history_has_one_head",
    "test_the_models_and_the_migrations_agree",
    "test_the_models_make_what_the_migrations_make",
    "test_the_schema_file_is_current",
]


@pytest.fixture(scope="module")
def history(alembic_project: Project, pytestconfig: pytest.Config) -> list[Script]:
    """The revisions of the project, oldest first. With pytest's setting `alembic_since`, only the
    revisions after that one.
    """
    script = alembic_project.script
    require_sound(script)
    since = str(pytestconfig.getini(SINCE))
    found = list(script.walk_revisions(base=since or "base"))[::-1]
    return [revision for revision in found if not since or not revision.revision.startswith(since)]


def test_the_history_has_one_head(alembic_project: Project, history: list[Script]) -> None:
    """`db migrate` is unambiguous, and head.txt names the head. With `target = heads` in alembic.ini
    there may be several, if their branches differ in their labels or first revisions.
    """
    del history  # which is sound
    problem = problem_with_heads(alembic_project.script, alembic_project.target)
    assert problem is None, problem
    problem = problem_with_head_file(alembic_project)
    assert problem is None, problem


def test_every_model_is_found(alembic_project: Project) -> None:
    """Every model is in a module that migrations import, and in a metadata that they know."""
    load_models(alembic_project)
    problems = left_out_models(alembic_project)
    assert not problems, " ".join(problems)


def test_the_models_and_the_migrations_agree(
    alembic_project: Project, database: Address, request: pytest.FixtureRequest
) -> None:
    """`alembic revision --autogenerate` finds no differences."""
    missing = _missing_revision(alembic_project, database)
    if missing:
        copy: Address = request.getfixturevalue("copied_database")
        with suppress(AssertionError):  # the models cannot create their tables
            missing = "\n".join([*schema_differences(alembic_project, copy), missing])
    assert not missing, (
        "The models differ from the migrations: a revision is missing, or a model is wrong. "
        f'To write it: uv run alembic revision --autogenerate -m "…"\n{missing}'
    )


def test_the_models_make_what_the_migrations_make(
    alembic_project: Project, database: Address, copied_database: Address
) -> None:
    """The models and the migrations create the same schema, in every detail that pg_dump prints."""
    found = schema_differences(alembic_project, copied_database)
    if found and _missing_revision(alembic_project, database):
        pytest.skip(f"{AGREE} fails, and shows these differences too")
    assert not found, (
        "The schema of the models differs from that of the migrations in details that autogenerate "
        "does not compare. Correct the model, or write a revision by hand. (For example, the check "
        "of a column belongs in __table_args__.) If no revision can make them equal, allow the "
        f"object with a reason, in [models] of {FILE} beside head.txt.\n" + "\n".join(found)
    )


def _missing_revision(project: Project, database: Address) -> str:
    """What autogenerate would write. Empty if it finds no differences."""
    try:
        run_command(project, command.check, connection=make_engine(database))
    except CommandError as error:
        if not is_about_differences(error):
            raise
        return str(error)
    return ""


def test_the_schema_file_is_current(alembic_project: Project, database: Address) -> None:
    """schema.sql, if it exists, is the schema of the newest revision."""
    heads = alembic_project.script.get_heads()
    table = configuration_at(alembic_project, database).version_table
    problem = problem_with_schema_file(alembic_project, database, heads, table.name)
    assert problem is None, problem


def test_every_revision_goes_up_and_down_and_up(
    alembic_project: Project, history: list[Script], empty_database: Address
) -> None:
    """A downgrade restores the schema, and the second upgrade repeats the first. A revision whose
    downgrade only raises an error with a reason is not downgraded.
    """
    engine = make_engine(empty_database)

    def migrate(function: object, target: str) -> None:
        run_command(alembic_project, function, target, connection=engine)  # type: ignore[arg-type]

    table = configuration_at(alembic_project, empty_database).version_table
    migrate(command.downgrade, "base")  # creates the version table and its schema
    for parent in _parents_of(history):
        migrate(command.upgrade, parent)

    def schema() -> Schema:
        options = ("--no-privileges",)
        return comparable(read_schema(empty_database, *options, version_table=table.name))

    exceptions = Exceptions.of(alembic_project, "downgrades")
    before = schema()
    for revision in history:
        parents = revision.down_revision
        one_down = parents[0] if isinstance(parents, tuple) else f"{revision.revision}@-1"
        migrate(command.upgrade, revision.revision)
        after = schema()
        if why_irreversible(Path(revision.path)):
            before = after
            continue
        migrate(command.downgrade, one_down)
        found = exceptions.without_allowed(
            differences(before, schema(), "before the upgrade", "after the downgrade")
        )
        assert not found, (
            f"The downgrade of {_named(revision)} does not restore the schema from before its "
            f"upgrade.\n{_lines(found)}"
        )
        migrate(command.upgrade, revision.revision)
        found = exceptions.without_allowed(
            differences(after, schema(), "after the first upgrade", "after the second")
        )
        assert not found, (
            f"The second upgrade of {_named(revision)} creates a different schema than the first.\n"
            f"{_lines(found)}"
        )
        before = after
    if not _parents_of(history):  # otherwise an older revision may need the exception
        unused = exceptions.unused()
        assert not unused, " ".join(unused)


def test_every_revision_can_be_applied_to_tables_with_rows(
    alembic_project: Project, history: list[Script], empty_database: Address
) -> None:
    """Every revision works on tables that have rows."""
    engine = make_engine(empty_database)

    def migrate(connection: Connection) -> str | None:
        population = Population(alembic_project, connection)
        for revision in history:
            try:
                run_command(alembic_project, command.upgrade, revision.revision, connection=engine)
            except CommandError as error:
                advice = (
                    " If your tables cannot have such rows, write possible values into "
                    "tests/values.toml: [table] column = ['value']"
                )
                return (
                    f"{_named(revision)} fails on tables with rows. {error}"
                    f"{advice if concerns_values(error) else ''}"
                )
            if problems := population.grow():
                return f"After {_named(revision)}: {' '.join(problems)}"
        return None

    problem = with_connection(make_engine(empty_database), migrate)
    assert problem is None, problem


def test_new_revisions_stay_within_the_limits(alembic_project: Project, server: Address) -> None:
    """A revision that the main branch does not have runs on the schema that it finds, and does not
    block or rewrite more than alembic.ini allows.
    """
    del server  # the scratch database is there
    budget = Budget.of(alembic_project)
    main = main_branch(alembic_project)
    if main is None or not budget.is_set:  # no revision is new, or nothing is limited
        return
    plan = make_plan(alembic_project, since=main)
    beyond = [describe_finding(alembic_project, each) for each in budget.findings(plan)]
    assert not beyond, "\n".join(beyond)


def _parents_of(history: list[Script]) -> list[str]:
    """The revisions that must be applied before these revisions."""
    own = {revision.revision for revision in history}
    own.update(label for revision in history for label in revision.branch_labels)
    parents = [
        each
        for revision in history
        for each in (
            *names_of(revision.down_revision),
            *names_of(revision.dependencies),
        )
    ]
    return [each for each in dict.fromkeys(parents) if each not in own]


def _lines(found: list[Difference]) -> str:
    return "\n".join(map(str, found))


def _named(revision: Script) -> str:
    """A revision and its file, for people."""
    return f"{revision.revision} ({Path(revision.path).name})"
