"""The `db` command: Alembic's own command line, with commands of this project added to it."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from alembic.config import Config
from alembic.util import CommandError

from ..paths import PROJECT_ROOT
from ..printable import as_json, printable
from .command_line import DatabaseCommandLine
from .logs import show_exception
from .project import WrongProjectError, run_elsewhere, working_folder
from .terminal import as_data, tell

# Commands import what they do when they run: every other one shares the command line with them.


def start(config: Config) -> None:
    """Start a local Postgres and create the database; what .env lacks is added to it."""
    _require_unix()
    from .local.development import start_server

    _say(config, start_server())


def stop(config: Config) -> None:
    """Stop the local Postgres; the data stay."""
    _require_unix()
    from .local.folder import stop_server

    _say(config, stop_server())


def status(config: Config) -> None:
    """Show the database that the settings lead to, its server and its revision."""
    from .commands.status import describe_database

    for name, value in describe_database(config).items():
        _print(config, f"{name:<9} {value}")


def doctor(config: Config, json: bool = False) -> None:
    """Find out what is wrong between the service and its database; exit code 1 if anything is."""
    from .commands.doctor import examine

    findings = examine(config)
    ok = all(finding.ok for finding in findings)
    if json:
        result = {"ok": ok, "findings": [finding.as_dict() for finding in findings]}
        config.print_stdout("%s", as_json(result))
    else:
        for finding in findings:
            mark = "ok   " if finding.ok else "WRONG"
            _print(config, f"{mark} {finding.check:<11} {finding.text}")
    if not ok:
        sys.exit(1)


def roles(config: Config) -> None:
    """Print SQL for two roles: DB_MIGRATION_USER owns the tables, DB_USER reads and writes rows."""
    from .commands.roles import roles_sql

    config.print_stdout("%s", roles_sql())  # whole: psql runs it


def lint(
    config: Config,
    revisions: str | None = None,
    since: str | None = None,
    github: bool = False,
) -> None:
    """Find what is dangerous in new revisions; exit code 1 if anything is."""
    from .commands.lint import lint as look
    from .commands.lint import report

    linted = look(config, since=since, revisions=revisions)
    for line in report(linted, github=github):
        config.print_stdout("%s", line)  # prepared there, as GitHub's commands are not for people
    if linted.findings:
        sys.exit(1)


def plan(config: Config, target: str = "heads", json: bool = False) -> None:
    """Show what an upgrade or a downgrade would do: SQL, locks, losses; nothing is executed."""
    from .commands.plan import make_plan
    from .plan.report import as_object, as_text, heading

    planned = make_plan(config, target)
    _say(config, heading(planned))
    if json:
        config.print_stdout("%s", as_json(as_object(planned)))
    else:
        for line in as_text(planned):
            _print(config, line)


def graph(config: Config, history: bool = False, output: str | None = None) -> None:
    """Draw the tables of the models, or the history of revisions, as a Mermaid diagram."""
    from .commands.graph import draw

    diagram = draw(config, history=history, output=output, note=lambda text: _say(config, text))
    if diagram:
        _print(config, diagram.rstrip())


def rebase(config: Config, onto: str | None = None, applied: bool = False) -> None:
    """Put your revisions behind those of the main branch, where both followed the same one."""
    from .commands.rebase import rebase as move

    _say(config, "\n".join(move(config, onto=onto, applied=applied)))


def remove(
    config: Config,
    revision: str,
    ancestor: str | None = None,
    downgrade: bool = False,
    published: bool = False,
    offline: bool = False,
    yes: bool = False,
) -> None:
    """Remove a bad revision, from the files and from the database; or repair a database that is at
    one whose file is gone.
    """
    from .commands.remove import remove as take_out

    done = take_out(
        config,
        revision,
        to=ancestor,
        downgrade=downgrade,
        published=published,
        offline=offline,
        yes=yes,
    )
    _say(config, "\n".join(done))


def drift(config: Config, ignore: list[str] | None = None, json: bool = False) -> None:
    """Compare the database with what its revision says; exit code 1 if anything differs."""
    from .commands.drift import drift as compare

    found, revision = compare(config, ignored=ignore or ())
    if json:
        objects = [{"object": str(one.thing), "difference": one.text} for one in found]
        config.print_stdout("%s", as_json({"ok": not found, "differences": objects}))
    for one in () if json else found:
        _print(config, str(one))
    if found:
        _say(
            config,
            f"Not as {revision} says: {len(found)}. What should stay becomes a revision; the rest is "
            "undone by hand.",
        )
        sys.exit(1)
    _say(config, f"The database is what {revision} says.")


def schema(config: Config, revision: str | None = None, check: bool = False) -> None:
    """Write the schema that the migrations make to schema.sql, or print that of a revision."""
    from alembic.script import ScriptDirectory

    from .history import require_sound
    from .schema_file import is_current, schema_sql, write_schema_file

    script = ScriptDirectory.from_config(config)
    require_sound(script)
    if revision:
        config.print_stdout("%s", as_data(schema_sql(script, revision).rstrip()))
    elif not check:
        _say(config, write_schema_file(script))
    elif not is_current(script):
        _say(config, "schema.sql is not what the migrations make. Write it: uv run db schema")
        sys.exit(1)


def reset(config: Config, yes: bool = False, force: bool = False) -> None:
    """Drop the local database and make it anew, at the newest revision."""
    from .commands.reset import reset as make_anew

    _say(config, "\n".join(make_anew(yes=yes, force=force)))


def baseline(config: Config, models: bool = False, yes: bool = False) -> None:
    """Bring Alembic to a database that has lived without it."""
    from .commands.baseline import baseline as begin
    from .commands.models import write_models

    _say(config, write_models() if models else "\n".join(begin(config, yes=yes)))


def squash(
    config: Config, to: str | None = None, with_data: bool = False, yes: bool = False
) -> None:
    """Fold the history into one revision that makes the same schema from scratch."""
    from .commands.squash import squash as fold

    _say(config, "\n".join(fold(config, to=to, data=with_data, yes=yes)))


def record_head(config: Config) -> None:
    """Write the newest revision's id to migrations/head.txt, as every new revision does."""
    from .head_file import record_heads
    from .locations import require_usual_files

    require_usual_files(
        config,
        instead="Take record_head out of the hooks in alembic.ini, and delete migrations/head.txt.",
    )

    _say(config, f"migrations/head.txt: {record_heads().strip() or 'no revision yet'}")


def migrate(config: Config) -> None:
    """Bring the database to the newest revision; quickly done where it is there already."""
    from alembic.command import upgrade

    upgrade(config, "head")


def run(*, chosen: bool = False) -> None:
    """Run the command of sys.argv.

    Args:
        chosen: the command names this package, so it is not that of another project.
    """
    sys.excepthook = show_exception
    command_line = DatabaseCommandLine(prog="db")
    commands = (
        start, stop, reset, status, migrate, doctor, drift, schema, roles, lint, plan, graph, rebase,
        remove, baseline, squash, record_head
    )  # fmt: skip
    for command in commands:
        command_line.register_command(command)
    named = command_line.parser.parse_args().config or []
    words = [word for word in sys.argv[1:] if not named or word not in ("-c", "--config", *named)]
    try:
        if run_elsewhere(_folder_of_the_configuration(named), words, chosen=chosen):
            return
    except WrongProjectError as error:
        sys.exit(f"FAILED: {error}")
    if not Path("alembic.ini").exists():
        os.environ.setdefault("ALEMBIC_CONFIG", str(PROJECT_ROOT / "alembic.ini"))
    try:
        command_line.main()
    except KeyboardInterrupt:
        sys.exit(130)  # what a shell reports for Ctrl-C


def _folder_of_the_configuration(named: Sequence[str]) -> Path:
    """The folder of the alembic.ini that is named; else that in which Alembic looks for one."""
    for name in (*named, os.environ.get("ALEMBIC_CONFIG", "")):
        if name and Path(name).name != "pyproject.toml":
            return Path(name).resolve().parent
    return working_folder()


def _require_unix() -> None:
    if sys.platform == "win32":
        raise CommandError(
            "A local server needs Linux or macOS. On Windows, copy .env.example to .env and run "
            "`docker compose up --wait`."
        )


def _say(config: Config, text: str) -> None:
    """Tell a person, on stderr: stdout is for data."""
    if not config.messaging_opts["quiet"]:
        tell(text)


def _print(config: Config, text: str) -> None:
    """Print what a person or a program asked for."""
    config.print_stdout("%s", printable(text))
