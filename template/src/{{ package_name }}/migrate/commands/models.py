"""`db baseline --models`: models of the tables that a database has, by sqlacodegen."""

import re
import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from alembic.util import CommandError
from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    DefaultClause,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import DOMAIN
from sqlalchemy.exc import SAWarning
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.types import NullType

from ...config import settings
from ...database.metadata import metadata as own_metadata
from ...paths import relative
from ..autogenerate import NOT_OF_THE_MODELS
from ..connection import make_engine, with_connection
from ..formatting import formatted
from ..from_scratch.reflection import leave_out_copies, note_partitioning
from ..locations import require_usual_version_table
from ..models import PACKAGE
from ..revision_files import write_text
from ..schema_dump import VERSION_TABLE

INDEXES = text(
    """
    SELECT c.relname, pg_get_indexdef(i.indexrelid, 0, true) AS definition
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    """
)
TYPES = text(
    """
    SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND a.attnum > 0
    """
)
OTHER = '''
class PostgresType(UserDefinedType[Any]):
    """A type of Postgres that SQLAlchemy has none for."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_options: Any) -> str:
        """What it is called in SQL."""
        return self.name
'''.strip()

KEY = re.compile(r" USING \w+ \((.*?)\)(?: INCLUDE | NULLS | WITH | WHERE |$)", re.DOTALL)
# What stands between its commas, with parentheses up to three deep.
NESTED = r"\((?:[^()']|'[^']*'|\((?:[^()']|'[^']*'|\([^()]*\))*\))*\)"
PART = re.compile(rf"(?:[^,()']|'[^']*'|{NESTED})+")

# Values of enums need not be names in Python, nor is a key that is a reference a subclass.
OPTIONS = ("include_dialect_options", "nojoined", "nonativeenums", "nosyntheticenums")

FILE = PACKAGE / "database" / "models" / "tables.py"


def write_models() -> str:
    """Write a module of models. Returns what was done, for people.

    Raises:
        CommandError: sqlacodegen is not installed, there are models already, or no tables; or
            Alembic has another version table, which would become a model.
    """
    if find_spec("sqlacodegen") is None:
        raise CommandError(
            "sqlacodegen, which writes the models, is not installed. For this once: uv run --with "
            "sqlacodegen db baseline --models"
        )
    if FILE.exists():
        raise CommandError(f"{relative(FILE)} is there already. Remove it to have it written anew.")
    engine = make_engine(settings.migration_address, settings.migration_driver)
    source = with_connection(engine, _models_of)
    write_text(FILE, formatted(source, FILE))
    return (
        f"{relative(FILE)} holds a model for each table. Read it, give the classes the names you want, "
        "and run it without --models: uv run db baseline"
    )


def _models_of(connection: Connection) -> str:
    require_usual_version_table(connection, instead="Run sqlacodegen by itself.")
    metadata = MetaData()
    others = {(row.nspname, row.relname) for row in connection.execute(NOT_OF_THE_MODELS)}
    schema = own_metadata.schema

    def is_wanted(name: str, _metadata: MetaData) -> bool:
        return name != VERSION_TABLE and (schema or "public", name) not in others

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # a type that it does not know stands out
        metadata.reflect(connection, schema=schema, only=is_wanted, resolve_fks=False)
    leave_out_copies(metadata, connection)
    if not metadata.tables:
        raise CommandError(f"{settings.migration_address} has no tables to write models of.")
    for table in metadata.tables.values():
        _leave_out_details(table)
        _shorten_names(table)
    note_partitioning(metadata, connection)
    # Names that follow it are left out of the models. While it reads, it would change them.
    metadata.naming_convention = own_metadata.naming_convention
    definitions = {row.relname: row.definition for row in connection.execute(INDEXES)}
    types = {(row[0], row[1], row[2]): row[3] for row in connection.execute(TYPES)}
    return _generated(metadata, connection, definitions, types)


def _generated(
    metadata: MetaData,
    connection: Connection,
    definitions: dict[str, str],
    types: dict[tuple[str, str, str], str],
) -> str:
    # It is no dependency of the project, which mypy would have to find.
    generators: Any = import_module("sqlacodegen.generators")
    literal_import: Any = import_module("sqlacodegen.models").__dict__.get(
        "LiteralImport", getattr(generators, "LiteralImport", None)
    )
    generator = generators.DeclarativeGenerator(metadata, connection, OPTIONS)

    def use_own_base() -> None:
        package = __name__.partition(".")[0]
        generator.base = generators.Base(
            literal_imports=[literal_import(f"{package}.database.base", "Base")],
            declarations=[],
            metadata_ref="Base.metadata",
        )
        generator.add_literal_import("sqlalchemy.schema", "conv")

    def render_index(index: Index) -> str:
        """Also with what is no plain column: an order, an operator class, an expression."""
        columns = KEY.search(definitions[str(index.name)])
        classes = index.dialect_kwargs.get("postgresql_ops") or {}
        plain = ", ".join(
            " ".join(filter(None, (_quoted(connection, column.name), classes.get(column.name))))
            for column in index.columns
        )
        if columns is None or columns[1] == plain:
            return str(render_plain(index))
        options = "".join(
            f", {name}={value!r}"
            for name, value in index.kwargs.items()
            if value and name != "postgresql_ops"
        )
        unique = ", unique=True" if index.unique else ""
        generator.add_literal_import("sqlalchemy", "text")
        parts = ", ".join(f"text({escaped(part.strip())!r})" for part in PART.findall(columns[1]))
        return f"Index({index.name!r}, {parts}{unique}{options})"

    def render_column(column: Column[Any], *arguments: Any, **options: Any) -> str:
        """A key of numbers that nothing counts is not to become a SERIAL, and one of a domain cannot
        be one.
        """
        rendered = str(render_any(column, *arguments, **options))
        if default := counted_domains.get(column):
            counted = rendered.replace(", autoincrement=True", "").removesuffix(")")
            generator.add_literal_import("sqlalchemy", "text")
            return f"{counted}, server_default=text({default!r}))"
        is_key = column.primary_key and isinstance(column.type, Integer)
        if is_key and column.identity is None and "autoincrement" not in rendered:
            return rendered.removesuffix(")") + ", autoincrement=False)"
        return rendered

    counted_domains = {
        column: str(column.server_default.arg).replace("::regclass", "")  # as Alembic compares it
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, DOMAIN)
        and isinstance(column.server_default, DefaultClause)
        and str(column.server_default.arg).startswith("nextval(")
    }

    def render_type(column: Column[Any]) -> str:
        """A domain by its name: what it checks, the revision says."""
        type_: Any = column.type
        if isinstance(type_, NullType):
            name = types[(column.table.schema or "public", column.table.name, column.name)]
            return f"PostgresType({name!r})"
        if not isinstance(type_, DOMAIN):
            return str(render_other(column))
        base: Any = type_.data_type
        if getattr(base, "collation", None) == "default":
            base.collation = None
        generator.add_import(base)
        of = render_other(Column(column.name, base))
        where = f", schema={type_.schema!r}" if type_.schema else ""
        return f"DOMAIN({type_.name!r}, {of}{where}, create_type=False)"

    def render_constraint(constraint: Any) -> str:
        """A check as Postgres writes it, and what a unique constraint has besides its columns."""
        if isinstance(constraint, CheckConstraint):
            condition = escaped(getattr(constraint.sqltext, "text", str(constraint.sqltext)))
            return f"CheckConstraint({condition!r}, name={constraint.name!r})"
        rendered = str(render_any_constraint(constraint))
        if isinstance(constraint, UniqueConstraint):
            details = {"deferrable": constraint.deferrable, "initially": constraint.initially}
            details |= {name: value for name, value in constraint.dialect_kwargs.items() if value}
            more = "".join(
                f", {name}={value!r}"
                for name, value in details.items()
                if value and name not in rendered
            )
            rendered = f"{rendered.removesuffix(')')}{more})"
        return rendered

    def find_free_name(name: str, *arguments: Any, **options: Any) -> str:
        """Names that a declarative class has a meaning for are none for its attributes."""
        free = f"{name}_" if name in ("registry", "type_annotation_map") else name
        return str(find_name(free, *arguments, **options))

    render_any_constraint = generator.render_constraint
    generator.render_constraint = render_constraint
    find_name, generator.find_free_name = generator.find_free_name, find_free_name
    render_other, generator.render_column_type = generator.render_column_type, render_type
    render_any, generator.render_column = generator.render_column, render_column
    render_plain, generator.render_index = generator.render_index, render_index
    generator.generate_base = use_own_base
    # What an enum is rendered with is not imported.
    code = str(generator.generate()).replace("metadata=MetaData()", "metadata=Base.metadata")
    if "PostgresType(" in code:
        imports = "from typing import Any\nfrom sqlalchemy.types import UserDefinedType\n"
        code = imports + re.sub(
            r"^(?=class |t_\w+ = )", f"{OTHER}\n\n\n", code, count=1, flags=re.M
        )
    return f'"""The tables that were there before the migrations. The team\'s."""\n\n{code}'


def escaped(sql: str) -> str:
    """SQL for `text()`, to which a colon before a word is a parameter."""
    return re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", sql)


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)


class _Complete(str):
    """A name that the naming convention adds nothing to."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"conv({str(self)!r})"


def _leave_out_details(table: Table) -> None:
    """What sqlacodegen writes wrongly: where it matters, the revision says it in SQL."""
    for option in list(table.dialect_kwargs):
        del table.dialect_kwargs[option]
    for column in table.columns:
        default: Any = getattr(column.server_default, "arg", None)
        if isinstance(default, TextClause):
            default.text = escaped(default.text)
    for constraint in list(table.constraints):
        if isinstance(constraint, CheckConstraint) and not str(constraint.sqltext):
            table.constraints.discard(constraint)


def _shorten_names(table: Table) -> None:
    """Checks are named by the part that the naming convention leaves to them, where they follow it."""
    prefix = f"ck_{table.name}_"
    for constraint in table.constraints:
        if isinstance(constraint, CheckConstraint) and constraint.name:
            name = str(constraint.name)
            follows = name.startswith(prefix)
            constraint.name = name.removeprefix(prefix) if follows else _Complete(name)
