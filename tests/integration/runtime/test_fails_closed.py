"""With a library that has changed what is used of it, `upgrade` refuses before it touches the database."""

import json
from pathlib import Path

from project import Project
from sample import NewProject
from server import Database

# Runs `alembic upgrade head` after each of several programs, each in a new process: a fork of one
# that has imported the libraries.
RUN = """
import json, os, sys, tempfile
import alembic.autogenerate, alembic.config, asyncpg, sqlalchemy.dialects.postgresql.asyncpg

outcomes = {}
for name, program in json.load(open(sys.argv[1])).items():
    with tempfile.TemporaryFile("w+") as output:
        child = os.fork()
        if not child:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            try:
                exec(program)
                alembic.config.main(prog="alembic", argv=["upgrade", "head"])
                code = 0
            except SystemExit as end:
                code = end.code
            except BaseException:
                sys.excepthook(*sys.exc_info())
                code = 99
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        outcomes[name] = os.waitstatus_to_exitcode(status), output.read()
print(json.dumps(outcomes))
"""

CONTEXT = """
from alembic.runtime.migration import MigrationContext
make = MigrationContext.__init__
def without(self, *arguments, **options):
    make(self, *arguments, **options)
    delattr(self, {name!r})
MigrationContext.__init__ = without
"""

STEP = """
from alembic.runtime.migration import RevisionStep
make = RevisionStep.__init__
def without(self, *arguments):
    make(self, *arguments)
    delattr(self, {name!r})
RevisionStep.__init__ = without
"""

RENAMED = """
from alembic.runtime.environment import EnvironmentContext
make = EnvironmentContext.__init__
def renamed(self, config, script, **options):
    make(self, config, script, **{{"other" if n == {name!r} else n: v for n, v in options.items()}})
EnvironmentContext.__init__ = renamed
"""

# What is taken away, how, and what the error names.
AWAY = {
    "MigrationContext.opts": CONTEXT.format(name="opts"),
    "MigrationContext.purge": CONTEXT.format(name="purge"),
    "MigrationContext.version_table": CONTEXT.format(name="version_table"),
    "MigrationContext.version_table_schema": CONTEXT.format(name="version_table_schema"),
    "alembic.runtime.migration.MigrationContext.autocommit_block": (
        "from alembic.runtime.migration import MigrationContext\n"
        "del MigrationContext.autocommit_block\n"
    ),
    "alembic.runtime.migration.RevisionStep": (
        "from alembic.runtime import migration\ndel migration.RevisionStep\n"
    ),
    "alembic.runtime.migration.StampStep": (
        "from alembic.runtime import migration\ndel migration.StampStep\n"
    ),
    "alembic.script.revision.MultipleHeads": (
        "from alembic.script import revision\ndel revision.MultipleHeads\n"
    ),
    "alembic.script.revision.ResolutionError": (
        "from alembic.script import revision\ndel revision.ResolutionError\n"
    ),
    "RevisionStep.migration_fn": STEP.format(name="migration_fn"),
    "RevisionStep.is_upgrade": STEP.format(name="is_upgrade"),
    "RevisionStep.revision": STEP.format(name="revision"),
    "RevisionStep and StampStep as the only steps": (
        "from alembic.runtime import migration\n"
        "migration.MigrationStep.upgrade_from_script = lambda *_: object()\n"
    ),
    'MigrationContext.opts["fn"]': RENAMED.format(name="fn"),
    "the revision argument of upgrade": RENAMED.format(name="destination_rev"),
    "context.configure(fn=…)": (
        "from alembic.runtime.environment import EnvironmentContext\n"
        "configure = EnvironmentContext.configure\n"
        "EnvironmentContext.configure = lambda self, fn=None, **rest: configure(self, **rest)\n"
    ),
    "sqlalchemy.util.greenlet_spawn": "from sqlalchemy import util\ndel util.greenlet_spawn\n",
    "sqlalchemy.util.await_only": "from sqlalchemy import util\ndel util.await_only\n",
    "sqlalchemy.engine.default.DefaultDialect.loaded_dbapi": (
        "from sqlalchemy.engine.default import DefaultDialect\n"
        "for each in DefaultDialect.__mro__:\n"
        "    if 'loaded_dbapi' in vars(each):\n        del each.loaded_dbapi\n"
    ),
    "sqlalchemy.pool.Pool.recreate": "from sqlalchemy.pool import Pool\ndel Pool.recreate\n",
    "Connection(protocol, transport, …)": (
        "import asyncpg\n"
        "make = asyncpg.Connection.__init__\n"
        "asyncpg.Connection.__init__ = lambda self, *arguments: make(self, *arguments)\n"
    ),
}

# It runs no step at all, whatever it is asked for.
LAZY = """
from alembic.runtime.migration import MigrationContext
run = MigrationContext.run_migrations
def lazy(self, **options):
    self._migrations_fn = lambda *_: ()
    run(self, **options)
MigrationContext.run_migrations = lazy
"""

SCHEMA = "SELECT nspname FROM pg_namespace WHERE nspname = 'sales'"


def outcomes(
    project: Project, folder: Path, programs: dict[str, str]
) -> dict[str, tuple[int, str]]:
    """The exit code and the output of `alembic upgrade head` after each program."""
    file = folder / "programs.json"
    file.write_text(json.dumps(programs))
    done = project.run("python", "-c", RUN, file)
    return {
        name: (code, " ".join(text.split()))
        for name, (code, text) in json.loads(done.stdout).items()
    }


def test_upgrade_refuses_and_leaves_the_database_alone(
    new_project: NewProject, database: Database, tmp_path: Path
) -> None:
    project = new_project(database_schema="sales")  # which `upgrade` would create first
    found = outcomes(project, tmp_path, AWAY)
    assert found.keys() == AWAY.keys()
    for name, (code, text) in found.items():
        assert f"needs {name}, which" in text, text
        assert "does not document" in text
        assert "Nothing was done." in text
        assert "Traceback" not in text, text
        assert code not in (0, 99), name
    assert database.query(SCHEMA) == []
    [(code, text)] = outcomes(project, tmp_path, {"nothing": ""}).values()
    assert code == 0, text
    assert database.query(SCHEMA) == [("sales",)]


def test_every_name_that_upgrade_needs_is_taken_away_here() -> None:
    from alembic_live.internals import alembic, asyncpg, sqlalchemy

    needed = [*alembic.MIGRATION, *sqlalchemy.MIGRATION, *asyncpg.CONNECTION]
    assert {each.name for each in needed} <= AWAY.keys()


def test_an_alembic_that_leaves_out_a_step_is_noticed(
    new_project: NewProject, tmp_path: Path
) -> None:
    [(code, text)] = outcomes(new_project(), tmp_path, {"lazy": LAZY}).values()
    assert code not in (0, 99)
    assert "Alembic ended before upgrade" in text
