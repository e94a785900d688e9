"""Changes of models, taken by this very process through a revision and back: quicker than a project
of files.
"""

import importlib
import re
import shutil
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import alembic_live
from alembic.config import CommandLine
from server import Database
from sqlalchemy import MetaData

ENV = """
import alembic_live
import evolution
from alembic import context

project = evolution.current.project


def configure(connection):
    context.configure(
        connection=connection,
        target_metadata=project.metadata,
        version_table_schema="alembic",
        **alembic_live.options(project, **evolution.current.options),
    )


alembic_live.run_migrations(project, configure)
"""
LOGGING = """
[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys =
[logger_root]
level = WARNING
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
"""
MAKO = Path(__file__).with_name("sample") / "migrations" / "script.py.mako"
CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

# All that the models decide, as text.
SNAPSHOT = """
    SELECT 'column', c.oid::regclass::text, a.attname, format_type(a.atttypid, a.atttypmod),
           a.attnotnull::text, a.attidentity::text, a.attgenerated::text,
           pg_get_expr(d.adbin, d.adrelid)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'v', 'm')
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT attisdropped AND {ours}
    UNION ALL
    SELECT 'constraint', coalesce(nullif(conrelid, 0)::regclass::text, contypid::regtype::text),
           conname, pg_get_constraintdef(k.oid), convalidated::text, NULL, NULL, NULL
    FROM pg_constraint k JOIN pg_namespace n ON n.oid = connamespace
    WHERE contype <> 'n' AND n.nspname <> 'alembic' AND n.nspname NOT LIKE 'pg\\_%%'
      AND n.nspname <> 'information_schema'
    UNION ALL
    SELECT 'index', c.oid::regclass::text, pg_get_indexdef(c.oid), indisvalid::text, NULL, NULL,
           NULL, NULL
    FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE {ours}
    UNION ALL
    SELECT 'enum', enumtypid::regtype::text, string_agg(enumlabel, ',' ORDER BY enumsortorder),
           NULL, NULL, NULL, NULL, NULL
    FROM pg_enum GROUP BY enumtypid
    UNION ALL
    SELECT 'type', t.oid::regtype::text, format_type(t.typbasetype, t.typtypmod),
           t.typnotnull::text, t.typdefault, NULL, NULL, NULL
    FROM pg_type t JOIN pg_class c ON c.oid = 'pg_class'::regclass
    WHERE t.typtype = 'd' AND t.typnamespace NOT IN
        (SELECT oid FROM pg_namespace WHERE nspname = 'information_schema')
    UNION ALL
    SELECT 'sequence', c.oid::regclass::text, format_type(s.seqtypid, NULL), s.seqstart::text,
           s.seqincrement::text, s.seqmin::text, s.seqmax::text, s.seqcycle::text
    FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid WHERE {ours}
    UNION ALL
    SELECT 'view', c.oid::regclass::text, pg_get_viewdef(c.oid), NULL, NULL, NULL, NULL, NULL
    FROM pg_class c WHERE c.relkind IN ('v', 'm') AND {ours}
    ORDER BY 1, 2, 3, 4
""".replace(
    "{ours}",
    "c.relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname IN"
    " ('pg_catalog', 'information_schema', 'pg_toast', 'alembic'))",
)

Models = Callable[[MetaData], object]


@dataclass
class Evolution:
    """One history, with a database."""

    folder: Path
    database: Database
    driver: str = "asyncpg"
    options: dict[str, Any] = field(default_factory=dict)
    project: alembic_live.Project = field(init=False)
    said: str = ""  # what the last command printed

    def __post_init__(self) -> None:
        """Write the files."""
        migrations = self.folder / "migrations"
        (migrations / "versions").mkdir(parents=True)
        (migrations / "env.py").write_text(ENV)
        shutil.copy(MAKO, migrations)
        (self.folder / "alembic.ini").write_text(
            "[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n" + LOGGING
        )
        self.use(lambda _: None)

    def use(self, models: Models, **options: Any) -> None:
        """Take other models."""
        metadata = MetaData(naming_convention=CONVENTION, **options)
        models(metadata)
        given = self.database
        self.project = alembic_live.Project(
            url=f"postgresql+{self.driver}://{given.user}:{given.password}@{given.host}:"
            f"{given.port}/{given.name}",
            metadata=metadata,
        )

    @property
    def versions(self) -> list[Path]:
        """The revisions."""
        return sorted((self.folder / "migrations" / "versions").glob("*.py"))

    def alembic(self, *words: str) -> str:
        """Run a command and return what it prints. Its errors are raised."""
        global current
        current = self
        output = StringIO()
        ini = str(self.folder / "alembic.ini")
        importlib.invalidate_caches()
        with redirect_stdout(output), redirect_stderr(output), warnings.catch_warnings():
            warnings.simplefilter("error")
            CommandLine().main(["--raiseerr", "-c", ini, *words])
        self.said = output.getvalue()
        return self.said

    def revise(self, *permissions: str) -> str:
        """Write the revisions of a change, and return their text without the heads."""
        before = set(self.versions)
        words = [word for each in permissions for word in ("-x", each)]
        number = ["--rev-id", "first"] if not before else []
        self.alembic(*words, "revision", "--autogenerate", "-m", "change", *number)
        written = [path for path in self.versions if path not in before]
        return "\n".join(path.read_text().partition("def upgrade")[2] for path in written)

    def execute(self, statements: str) -> None:
        """Run SQL."""
        with self.database.connect() as connection:
            connection.execute(statements.encode())

    def snapshot(self) -> list[tuple[Any, ...]]:
        """The schema."""
        with self.database.connect() as connection:
            rows = connection.execute(SNAPSHOT.replace("%%", "%").encode()).fetchall()
        # Postgres prints a condition differently after it has parsed its own output.
        return [
            tuple(re.sub(r"::[\w ]+(\[\])?|[()]", "", cell) if cell else cell for cell in row)
            if row[0] == "constraint"
            else row
            for row in rows
        ]

    def clear(self) -> None:
        """Begin again, with an empty database and no revision."""
        shutil.rmtree(self.folder / "migrations" / "versions")
        (self.folder / "migrations" / "versions").mkdir()
        with self.database.connect() as connection:
            schemas = connection.execute(
                "SELECT string_agg(quote_ident(nspname), ', ') FROM pg_namespace"
                " WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
            ).fetchone()
            assert schemas
            connection.execute(
                f"DROP SCHEMA {schemas[0]} CASCADE; CREATE SCHEMA public; CREATE SCHEMA alembic"
            )


current: Evolution
