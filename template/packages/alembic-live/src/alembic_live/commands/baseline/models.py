"""`db baseline --models`: write models of the database's tables, with sqlacodegen."""

import re
import warnings
from functools import partial
from importlib.util import find_spec
from pathlib import Path
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

from alembic_live.autogenerate.from_scratch.reflection import (
    add_partitioning,
    remove_partition_foreign_keys,
)
from alembic_live.commands.baseline.base import Base, base_named, base_of
from alembic_live.commands.baseline.constraints import add_constraint_details
from alembic_live.formatting import formatted
from alembic_live.history.files import write_text
from alembic_live.internals import sqlacodegen
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.relations import Relations
from alembic_live.postgres.schemas import schema_name
from alembic_live.project import Project
from alembic_live.runtime.configuration import configuration_of

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
# The tables of extensions that other tables reference. A model of those needs a model of these.
REFERENCED = text(
    """
    SELECT DISTINCT n.nspname, c.relname
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    WHERE k.contype = 'f' AND NOT EXISTS (
        SELECT FROM pg_depend o
        WHERE o.classid = 'pg_class'::regclass AND o.objid = k.conrelid AND o.deptype = 'e'
    )
    """
)
OTHER = '''
class PostgresType(UserDefinedType[Any]):
    """A Postgres type that SQLAlchemy does not have."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_options: Any) -> str:
        """The name of the type in SQL."""
        return self.name
'''.strip()

KEY = re.compile(r" USING \w+ \((.*?)\)(?: INCLUDE | NULLS | WITH | WHERE |$)", re.DOTALL)
# The parts between its commas, with parentheses nested up to three deep.
NESTED = r"\((?:[^()']|'[^']*'|\((?:[^()']|'[^']*'|\([^()]*\))*\))*\)"
PART = re.compile(rf"(?:[^,()']|'[^']*'|{NESTED})+")

NAME = "tables.py"


def write_models(project: Project, *, output: str | None = None, base: str | None = None) -> str:
    """Write a module of models. Returns a report.

    Args:
        project: the project.
        output: the file. Default: tables.py in the package of the models.
        base: the class that models derive from, as `module:Class`. Default: the one that has the
            project's first metadata.

    Raises:
        CommandError: sqlacodegen is not installed, the module exists already, or there are no tables;
            or the package of the models or their base class is unknown.
    """
    if find_spec("sqlacodegen") is None:
        raise CommandError(
            "sqlacodegen, which generates the models, is not installed. Run it once with: uv run --with "
            "sqlacodegen db baseline --models"
        )
    file = Path(output).absolute() if output else _file(project)
    if file.exists():
        raise CommandError(
            f"{project.relative(file)} already exists. Delete it to generate it again."
        )
    if not file.parent.is_dir():
        raise CommandError(f"--output: folder {file.parent} does not exist.")
    parent = base_named(base) if base else base_of(project)
    engine = make_engine(project.migration_address)
    source = with_connection(engine, partial(_models_of, project, parent))
    write_text(file, formatted(source, file))
    return (
        f"{project.relative(file)} has a model for each table. Review it, rename the classes as you like, "
        "and run the command without --models: uv run db baseline"
    )


def _file(project: Project) -> Path:
    """The path of the module, in the package of the models."""
    packages = [
        location
        for name in project.models
        if (spec := find_spec(name))
        for location in spec.submodule_search_locations or ()
    ]
    if len(packages) != 1:
        there = f"has {len(packages)} of them" if packages else "has none"
        raise CommandError(
            f"tables.py belongs in the package of the models, and Project(models=…) {there}. Name the "
            "file: uv run db baseline --models --output path/to/tables.py"
        )
    return Path(packages[0]) / NAME


def _models_of(project: Project, base: Base, connection: Connection) -> str:
    versions = configuration_of(project, connection).version_table.name
    metadata = MetaData()
    relations = Relations.of(connection)
    referenced = {tuple(row) for row in connection.execute(REFERENCED)}
    configuration = configuration_of(project, connection)
    for schema in dict.fromkeys(each.schema for each in project.metadatas):

        def is_wanted(name: str, _metadata: MetaData, schema: str | None = schema) -> bool:
            is_other = name == versions or (
                relations.is_left_alone(schema, name, ())
                and relations.named(schema, name) not in referenced
            )
            return not is_other and configuration.includes(name, schema)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # unknown types get a placeholder below
            metadata.reflect(connection, schema=schema, only=is_wanted, resolve_fks=False)
    remove_partition_foreign_keys(metadata, connection)
    if not metadata.tables:
        raise CommandError(f"{project.migration_address} has no tables to write models of.")
    add_constraint_details(metadata, connection)
    for table in metadata.tables.values():
        _leave_out_details(table)
        _shorten_names(table)
    add_partitioning(metadata, connection)
    # sqlacodegen omits names that follow the convention. During reflection it would change names.
    metadata.naming_convention = project.metadatas[0].naming_convention
    definitions = {row.relname: row.definition for row in connection.execute(INDEXES)}
    types = {(row[0], row[1], row[2]): row[3] for row in connection.execute(TYPES)}
    return _generated(base, metadata, connection, definitions, types)


def _generated(
    base: Base,
    metadata: MetaData,
    connection: Connection,
    definitions: dict[str, str],
    types: dict[tuple[str, str, str], str],
) -> str:
    generators = sqlacodegen.generators()
    literal_import = generators.LiteralImport
    generator = generators.DeclarativeGenerator(
        metadata, connection, sqlacodegen.OPTIONS, base_class_name=base.name
    )

    def use_own_base() -> None:
        generator.base = generators.Base(
            literal_imports=[literal_import(base.module, base.name)],
            declarations=[],
            metadata_ref=f"{base.name}.metadata",
        )
        generator.add_literal_import("sqlalchemy.schema", "conv")

    def render_index(index: Index) -> str:
        """An index, including sort orders, operator classes and expressions."""
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
        """A column. An integer key without a sequence must not become SERIAL, and a key of a domain
        type cannot be SERIAL.
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
        """A type. A domain is referenced by name: the revision creates its checks."""
        type_: Any = column.type
        if isinstance(type_, NullType):
            name = types[(schema_name(column.table.schema), column.table.name, column.name)]
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
        """A constraint, with the check as Postgres prints it and all options of UNIQUE."""
        if "exclusion" in constraint.info:
            return render_exclusion(constraint)
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

    def render_exclusion(constraint: Any) -> str:
        elements, condition, options = constraint.info["exclusion"]
        generator.add_literal_import("sqlalchemy", "text")
        generator.add_literal_import("sqlalchemy.dialects.postgresql", "ExcludeConstraint")
        parts = [f"(text({escaped(sql)!r}), {operator!r})" for sql, operator in elements]
        parts.append(f"name={constraint.name!r}")
        parts += [f"{name}={value!r}" for name, value in options.items()]
        if condition:
            parts.append(f"where=text({escaped(condition)!r})")
        return f"ExcludeConstraint({', '.join(parts)})"

    def find_free_name(name: str, *arguments: Any, **options: Any) -> str:
        """A name for an attribute that is not reserved in declarative classes."""
        free = f"{name}_" if name in ("registry", "type_annotation_map") else name
        return str(find_name(free, *arguments, **options))

    render_any_constraint = generator.render_constraint
    generator.render_constraint = render_constraint
    find_name, generator.find_free_name = generator.find_free_name, find_free_name
    render_other, generator.render_column_type = generator.render_column_type, render_type
    render_any, generator.render_column = generator.render_column, render_column
    render_plain, generator.render_index = generator.render_index, render_index
    generator.generate_base = use_own_base
    # sqlacodegen renders this in enums without importing MetaData.
    code = str(generator.generate()).replace(
        "metadata=MetaData()", f"metadata={base.name}.metadata"
    )
    if "PostgresType(" in code:
        imports = "from typing import Any\nfrom sqlalchemy.types import UserDefinedType\n"
        code = imports + re.sub(
            r"^(?=class |t_\w+ = )", f"{OTHER}\n\n\n", code, count=1, flags=re.M
        )
    return f'"""The tables from before the migrations. The team\'s."""\n\n{code}'


def escaped(sql: str) -> str:
    """SQL for `text()`, which takes a colon before a word for a parameter."""
    return re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", sql)


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)


class _Complete(str):
    """A complete name, which the naming convention does not extend."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"conv({str(self)!r})"


def _leave_out_details(table: Table) -> None:
    """Remove details that sqlacodegen renders wrongly. The revision creates them with SQL."""
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
    """Shorten the names of checks that follow the naming convention to the part that it adds to."""
    prefix = f"ck_{table.name}_"
    for constraint in table.constraints:
        if isinstance(constraint, CheckConstraint) and constraint.name:
            name = str(constraint.name)
            follows = name.startswith(prefix)
            constraint.name = name.removeprefix(prefix) if follows else _Complete(name)
