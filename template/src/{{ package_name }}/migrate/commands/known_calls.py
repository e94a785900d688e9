"""Calls that are known to change no rows, by the path of what is called: `sqlalchemy.Column`. The path
of a method begins with that of the call that made its object: `alembic.op.get_bind.execute`.
"""

import sys

import sqlalchemy

from .. import operations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Operations of Alembic, and of alembic-postgresql-enum, that change the schema.
# https://alembic.sqlalchemy.org/en/latest/ops.html
SCHEMA_OPERATIONS = _words(
    """
    add_column alter_column drop_column create_table drop_table rename_table create_table_comment
    drop_table_comment create_index drop_index create_check_constraint create_exclude_constraint
    create_foreign_key create_primary_key create_unique_constraint drop_constraint sync_enum_values
    """
)
OWN_OPERATIONS = frozenset(operations.__all__) - {"run_sql"}

CREATE_TABLE = "alembic.op.create_table"
BATCH = "alembic.op.batch_alter_table"
BLOCKS = (BATCH, "alembic.op.get_context.autocommit_block")

# What takes SQL, and runs it.
CONNECTIONS = _words(
    "alembic.op.get_bind alembic.op.get_context.bind alembic.op.get_context.connection"
)
RUNS_SQL = {"alembic.op.execute", f"{BATCH}.execute", f"{operations.__name__}.run_sql"} | {
    f"{each}.{method}" for each in CONNECTIONS for method in ("execute", "exec_driver_sql")
}

# What changes nothing: Python's own and others'.
PYTHON = _words(
    """
    bool dict enumerate float frozenset int isinstance len list max min print range repr reversed set
    sorted str sum tuple zip Exception KeyError LookupError NotImplementedError RuntimeError TypeError
    ValueError
    """
)
OTHERS = _words(
    """
    alembic.op.f alembic.op.get_bind alembic.op.get_context alembic.op.inline_literal
    alembic_postgresql_enum.TableReference contextlib.nullcontext contextlib.suppress datetime.date
    datetime.datetime datetime.datetime.now datetime.timedelta decimal.Decimal inspect.cleandoc
    json.dumps json.loads logging.getLogger sqlalchemy.orm.declarative_base
    sqlalchemy.orm.mapped_column textwrap.dedent uuid.UUID uuid.uuid4
    """
)
HARMLESS = OTHERS | {f"builtins.{name}" for name in PYTHON}
DECORATORS = ("builtins.classmethod", "builtins.property", "builtins.staticmethod")

# Modules that run no code of what they are given.
RUN_NOTHING_GIVEN = ("alembic.", "sqlalchemy.", f"{operations.__name__}.")
# Packages whose things may be read, compared and gone through.
KNOWN_PACKAGES = sys.stdlib_module_names | {
    *("alembic", "alembic_postgresql_enum", "builtins", "sqlalchemy"),
}

# The modules of SQLAlchemy that make SQL and do not run it.
SQL_MODULES = ("dialects", "schema", "sql", "types")
INSPECTOR = "sqlalchemy.inspect"
# What the names of DDL begin with in sqlalchemy.schema.
DDL_ELEMENTS = tuple(f"sqlalchemy.schema.{word}" for word in ("Add", "Create", "Drop", "Set"))
# Methods by which an Enum, a Table or a MetaData makes itself in a database.
MAKES_ITSELF = ("create", "create_all", "drop", "drop_all")

# Methods of SQL that make other SQL, and those of texts, lists and the like.
SQL_METHODS = _words(
    """
    alias all_ any_ asc between bindparams cast collate columns concat contains correlate cte delete
    desc distinct endswith exists filter from_select group_by having ilike in_ insert is_ is_not join
    label like limit not_in notin_ nulls_first nulls_last nullsfirst nullslast offset
    on_conflict_do_nothing on_conflict_do_update op order_by outerjoin over prefix_with returning
    scalar_subquery select select_from startswith subquery union union_all update values where
    with_variant
    """
)
PLAIN_METHODS = _words(
    """
    add append copy count endswith extend format get index items join keys lower replace rstrip
    setdefault sort split splitlines startswith strip title update upper values
    """
)


def is_schema_operation(path: str) -> bool:
    """Whether it changes the schema, and no rows."""
    module, _, name = path.rpartition(".")
    if module == operations.__name__:
        return name in OWN_OPERATIONS
    return module in ("alembic.op", BATCH) and name in SCHEMA_OPERATIONS


def is_ddl_element(path: str) -> bool:
    """Whether it is DDL for `op.execute`: `sqlalchemy.schema.CreateSequence`."""
    return path.startswith(DDL_ELEMENTS)


def makes_sql(path: str) -> bool:
    """Whether it is SQLAlchemy's, or a method of such, and makes SQL without running it."""
    package, _, rest = path.partition(".")
    name = rest.partition(".")[0]
    thing = getattr(sqlalchemy, name, None)
    if package != "sqlalchemy" or thing is None:
        return False
    module = getattr(thing, "__module__", None)  # which a module has not
    return name in SQL_MODULES or str(module).startswith("sqlalchemy.sql.")


def makes_itself(path: str) -> bool:
    """Whether a method of SQLAlchemy makes an object, or drops it: `sqlalchemy.Enum.create`."""
    thing, _, method = path.rpartition(".")
    return method in MAKES_ITSELF and makes_sql(thing)


def reads_schema(path: str) -> bool:
    """Whether it is a method of SQLAlchemy's inspector."""
    thing, _, method = path.rpartition(".")
    return thing == INSPECTOR and method.startswith(("get_", "has_"))
