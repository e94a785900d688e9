"""`db baseline --models`: write models of the database's tables, with sqlacodegen."""

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
    MetaData,
    Sequence,
    Table,
    inspect,
    text,
)
from sqlalchemy.dialects.postgresql import DOMAIN
from sqlalchemy.exc import NoReferenceError, SAWarning
from sqlalchemy.schema import sort_tables_and_constraints
from sqlalchemy.sql.elements import TextClause

from alembic_live.autogenerate.from_scratch.reflection import (
    add_partitioning,
    add_storage,
    escaped,
    remove_partition_foreign_keys,
)
from alembic_live.commands.baseline.base import Base, base_named, base_of
from alembic_live.commands.baseline.constraints import add_constraint_details
from alembic_live.commands.baseline.generator import Counted, generated
from alembic_live.formatting import formatted
from alembic_live.history.files import write_text
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.relations import Relations
from alembic_live.postgres.schemas import schema_name
from alembic_live.project import Project
from alembic_live.runtime.configuration import configuration_of

INDEXES = text(
    """
    SELECT n.nspname, c.relname, pg_get_indexdef(i.indexrelid, 0, true)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    """
)
OWNERS = text(
    """
    SELECT n.nspname, c.relname, a.attname, s.relname, nullif(m.nspname, current_schema())
    FROM pg_depend d JOIN pg_class s ON s.oid = d.objid JOIN pg_namespace m ON m.oid = s.relnamespace
    JOIN pg_class c ON c.oid = d.refobjid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
    WHERE s.relkind = 'S' AND d.deptype = 'a' AND d.classid = 'pg_class'::regclass
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
    write_text(file, formatted(source, file, imports=False))
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
    for schema in _schemas(project, connection):

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
    _mark_cycles(metadata)
    add_constraint_details(metadata, connection)
    for table in metadata.tables.values():
        _leave_out_details(table)
        _shorten_names(table)
    add_partitioning(metadata, connection)
    add_storage(metadata, connection)
    # sqlacodegen omits names that follow the convention. During reflection it would change names.
    metadata.naming_convention = project.metadatas[0].naming_convention
    definitions = {(schema, name): sql for schema, name, sql in connection.execute(INDEXES)}
    return generated(base, metadata, connection, definitions, _counted(metadata, connection))


def _counted(metadata: MetaData, connection: Connection) -> dict[Column[Any], Counted]:
    """The defaults that take numbers from a sequence and make no SERIAL. SQLAlchemy makes a key SERIAL
    that owns its sequence, whatever that is called, and no column that is not a key or has a domain.
    The defaults of those that it makes are removed.
    """
    owned = {(row[0], row[1], row[2]): (row[3], row[4]) for row in connection.execute(OWNERS)}
    found = {}
    for table in metadata.tables.values():
        for column in table.columns:
            default = column.server_default
            if not isinstance(default, DefaultClause) or "nextval(" not in str(default.arg)[:8]:
                continue
            sequence = owned.get((schema_name(table.schema), table.name, column.name))
            is_key = column is table.autoincrement_column and not isinstance(column.type, DOMAIN)
            if is_key and sequence:
                column.server_default = None
            else:
                text = str(default.arg).replace("::regclass", "")  # as Alembic compares it
                own = Sequence(sequence[0], schema=sequence[1]) if sequence else None
                found[column] = Counted(text, own)
    return found


def _schemas(project: Project, connection: Connection) -> list[str | None]:
    """The schemas to reflect. They are those of the metadata, or all of the database if a metadata
    leaves the schema to each model.
    """
    schemas = list(dict.fromkeys(each.schema for each in project.metadatas))
    if None in schemas:
        default = connection.dialect.default_schema_name
        others = set(inspect(connection).get_schema_names()) - {
            default,
            "information_schema",
            *schemas,
        }
        schemas += sorted(others)
    return schemas


class _Complete(str):
    """A complete name, which the naming convention does not extend."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"conv({str(self)!r})"


def _mark_cycles(metadata: MetaData) -> None:
    """Set `use_alter` on the foreign keys of tables that reference each other.

    Raises:
        CommandError: a foreign key references a table that env.py excludes.
    """
    try:
        *_, (_, keys) = sort_tables_and_constraints(metadata.tables.values())  # type: ignore[no-untyped-call]
    except NoReferenceError as error:
        raise CommandError(
            f"A model would reference a table without a model: {error}. Let include_name and "
            "include_object in migrations/env.py include that table, or exclude both."
        ) from error
    for key in keys:
        key.use_alter = True
        for element in key.elements:
            element.use_alter = True


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
