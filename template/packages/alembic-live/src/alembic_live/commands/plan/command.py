"""`db plan`: rehearse an upgrade or a downgrade, and show what it would do."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from alembic.util import CommandError

from alembic_live.address import Address
from alembic_live.commands.lint.command import lint_revisions
from alembic_live.commands.lint.findings import Finding
from alembic_live.commands.lint.revision_sql import render_revision_sql
from alembic_live.commands.plan.analysis import held_locks, losses_of
from alembic_live.commands.plan.budget import FAILS, Budget, describe_finding
from alembic_live.commands.plan.estimates.calibration import calibrate
from alembic_live.commands.plan.estimates.estimates import DEFAULT, Throughput
from alembic_live.commands.plan.estimates.sizes import Sizes
from alembic_live.commands.plan.estimates.statistics_file import read_statistics, statistics_of
from alembic_live.commands.plan.live_facts import LiveFacts, read_live_facts
from alembic_live.commands.plan.plan import Plan, Step
from alembic_live.commands.plan.rehearsal.effects import RelationName
from alembic_live.commands.plan.rehearsal.rehearsal import Rehearsal, make_schema, rehearse
from alembic_live.commands.plan.replication import Replication, notes_on_standbys
from alembic_live.commands.plan.reports.formats import add_formats, formatted
from alembic_live.commands.plan.reports.report import as_text, heading
from alembic_live.commands.plan.steps import Steps, steps_between, steps_since, steps_to
from alembic_live.history.graph import describe_unknown, require_sound, unknown_revisions
from alembic_live.history.irreversible import require_reversible
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.schemas import schema_name
from alembic_live.postgres.scratch import scratch_databases
from alembic_live.project import Project
from alembic_live.runtime.version_table import current_revisions
from alembic_live.terminal import show, show_data, tell

Known = TypeVar("Known")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "target",
        nargs="?",
        help="a target of upgrade or downgrade, or a range, from:to (default: heads)",
    )
    parser.add_argument(
        "--since",
        metavar="COMMIT",
        help="Plan the revisions that are new since a commit or branch. Needs no database.",
    )
    parser.add_argument(
        "--statistics",
        metavar="FILE",
        type=Path,
        help="Take the sizes of the tables from this file, which `db statistics` has written.",
    )
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="Measure generated rows on the scratch server, for better estimates of durations.",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="Exit with 1 if a revision fails or goes beyond the limits in alembic.ini.",
    )
    parser.add_argument(
        "--verbose", action="store_true", help="Show the SQL, and what each statement does."
    )
    add_formats(parser)


def run(project: Project, arguments: Namespace) -> int:
    """Run the command and return its exit code."""
    if arguments.target and arguments.since:
        raise CommandError("--since names the revisions, so there is no target beside it.")
    plan = make_plan(
        project,
        arguments.target or "heads",
        since=arguments.since,
        statistics=arguments.statistics,
        compares=arguments.markdown,
        calibrates=arguments.calibrate,
    )
    tell(heading(plan))
    if (text := formatted(project, plan, arguments)) is not None:
        show_data(text)
    else:
        for line in as_text(project, plan, verbose=arguments.verbose):
            show(line)
    if not arguments.check:
        return 0
    for finding in plan.beyond_limits:
        tell(describe_finding(project, finding))
    return 1 if plan.beyond_limits else 0


def make_plan(
    project: Project,
    target: str = "heads",
    *,
    since: str | None = None,
    statistics: Path | None = None,
    compares: bool = False,
    calibrates: bool = False,
) -> Plan:
    """The plan of an upgrade or a downgrade.

    Args:
        project: the project.
        target: a target of `upgrade` or `downgrade`, or a range, `from:to`, which needs no database.
        since: a commit or branch: plan the revisions that are new since then. Needs no database.
        statistics: a file with the sizes of the tables, instead of the database's own. Without a
            database, the default is the project's statistics.json, if it has one.
        compares: whether to compare the schema of before with that of afterwards.
        calibrates: whether to measure the scratch server with generated rows.

    Raises:
        CommandError: the database cannot be reached, or its revision is not in this code; or there
            is no such target or commit, or a downgrade to it is impossible.
        ConfigurationError: settings are missing.
    """
    require_sound(project.script)
    live = None
    if since is not None:
        steps = steps_since(project, since)
    elif ":" in target:
        lower, _, upper = target.partition(":")
        steps = steps_between(project.script, lower, upper)
    else:
        live = project.migration_address
        steps = steps_to(project.script, target, _known_revisions(project))
    if steps.is_downgrade:
        require_reversible(steps.revisions)
    if not steps.revisions:
        return Plan(str(live) if live else None, steps.current, steps.is_downgrade)
    # What is wrong in a file is said before the work.
    budget, facts = Budget.of(project), _facts(project, live, statistics)
    rehearsal = rehearse(project, steps, live=live, compares=compares)
    throughput = DEFAULT
    if calibrates:
        throughput = _calibrated(project, steps, live, rehearsal, facts.sizes)
    plan = _plan(project, str(live) if live else None, steps, rehearsal, facts, throughput)
    beyond = list(budget.findings(plan))
    for step in plan.steps:
        own = [each for each in beyond if step.has(each) and each.rule != FAILS]
        step.findings.extend(own)
    return replace(plan, beyond_limits=beyond)


def _facts(project: Project, live: Address | None, statistics: Path | None) -> LiveFacts:
    """The facts about the live database, with the sizes of a file if one is given or needed."""
    if statistics is not None:
        sizes = read_statistics(statistics)
        return replace(read_live_facts(project), sizes=sizes) if live else LiveFacts(sizes)
    return read_live_facts(project) if live else LiveFacts(statistics_of(project) or {})


def _plan(
    project: Project,
    database: str | None,
    steps: Steps,
    rehearsal: Rehearsal,
    facts: LiveFacts,
    throughput: Throughput,
) -> Plan:
    default_schema = schema_name(None, project.default_schema)
    plan = Plan(
        database,
        steps.current,
        steps.is_downgrade,
        [],
        _by_every_name(facts.sizes, rehearsal),
        replace(throughput, tables=_by_every_name(throughput.tables, rehearsal)),
        partitioned=rehearsal.observed.partitioned(),
        default_schema=default_schema,
        differences=rehearsal.differences,
    )
    findings, not_linted = _findings(project, steps)
    replication = Replication(rehearsal, facts.publications, default_schema)
    for rehearsed in rehearsal.revisions:
        locks = held_locks(rehearsed.statements)
        notes = [
            *replication.notes_on(rehearsed),
            *notes_on_standbys(locks, facts.standbys, plan.shown),
        ]
        losses = losses_of(rehearsed, rehearsal.observed)
        step = Step(rehearsed, locks, losses, notes)
        step.findings.extend(filter(step.has, findings))
        plan.steps.append(step)
    return replace(plan, not_linted=not_linted)


def _calibrated(
    project: Project, steps: Steps, live: Address | None, rehearsal: Rehearsal, sizes: Sizes
) -> Throughput:
    """The throughput that the scratch server has for the tables that the revisions work on."""
    statements = [each for revision in rehearsal.revisions for each in revision.statements]
    works = [work for statement in statements for work in statement.works]
    touched = {name for work in works for name in (work.table, work.other) if name}
    observed = rehearsal.observed
    before = {observed.relations[oid].full_name: name for oid, name in observed.old.items()}
    tables = sorted({before.get(name, name) for name in touched})
    with scratch_databases(project) as make:
        scratch = make()
        make_schema(project, scratch, steps, live)
        return with_connection(
            make_engine(scratch), lambda connection: calibrate(connection, tables, sizes)
        )


def _by_every_name(
    known: Mapping[RelationName, Known], rehearsal: Rehearsal
) -> dict[RelationName, Known]:
    """What is known of tables, by the names before the plan and by those that it gives them."""
    observed = rehearsal.observed
    new = {
        observed.relations[oid].full_name: known[name]
        for oid, name in observed.old.items()
        if name in known
    }
    return {**known, **new}


def _findings(project: Project, steps: Steps) -> tuple[list[Finding], str | None]:
    """What `db lint` finds, or why it could not look."""
    down, script = steps.is_downgrade, project.script
    written = {
        revision: render_revision_sql(project, revision, down=down, script=script).statements
        for revision in steps.revisions
    }
    try:
        return lint_revisions(project, written, down=down), None
    except CommandError as error:
        return [], str(error)


def _known_revisions(project: Project) -> tuple[str, ...]:
    """The revisions of the database, which are in this code."""
    try:
        current = current_revisions(project)
    except CommandError as error:
        raise CommandError(
            f"{error} A range needs no database: uv run db plan <from>:<to>"
        ) from error
    if unknown := unknown_revisions(project.script, current):
        raise CommandError(
            describe_unknown(
                unknown,
                ". Either a newer version of the code migrated it, or the revision's file was deleted.",
            )
        )
    return current
