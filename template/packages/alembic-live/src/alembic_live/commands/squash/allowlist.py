"""The calls and SQL statements that are known to change no rows.

A call is named by the path of its function: `sqlalchemy.Column`. The path of a method begins with
the path of the call that returned its object: `alembic.op.get_bind.execute`.
"""

import sys

import sqlalchemy

from alembic_live import operations
from alembic_live.sql.parser import Node, UnreadableError, choice_of, kind_of, statements_in


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Operations of Alembic and alembic-postgresql-enum that change the schema.
# https://alembic.sqlalchemy.org/en/latest/ops.html
SCHEMA_OPERATIONS = _words(
    """
    add_column alter_column drop_column create_table drop_table rename_table create_table_comment
    drop_table_comment create_index drop_index create_check_constraint create_exclude_constraint
    create_foreign_key create_primary_key create_unique_constraint drop_constraint sync_enum_values
    """
)
CHANGE_ROWS = {"delete_in_batches", "update_in_batches"}
OWN_OPERATIONS = frozenset(operations.__all__) - {"run_sql", *CHANGE_ROWS}

CREATE_TABLE = "alembic.op.create_table"
COLUMN = "sqlalchemy.Column"
BATCH = "alembic.op.batch_alter_table"
BLOCKS = (BATCH, "alembic.op.get_context.autocommit_block")

# Calls that run the SQL in their first argument.
CONNECTIONS = _words(
    "alembic.op.get_bind alembic.op.get_context.bind alembic.op.get_context.connection"
)
RUNS_SQL = {"alembic.op.execute", f"{BATCH}.execute", f"{operations.__name__}.run_sql"} | {
    f"{each}.{method}" for each in CONNECTIONS for method in ("execute", "exec_driver_sql")
}

# Calls that change nothing, of Python and of libraries.
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
NAME_IN_A_BLOCK = f"{BATCH}.f"
DECORATORS = ("builtins.classmethod", "builtins.property", "builtins.staticmethod")

# Modules that do not run code of their arguments.
RUN_NOTHING_GIVEN = ("alembic.", "sqlalchemy.", f"{operations.__name__}.")
# Packages whose objects run no unknown code when they are read, compared or iterated.
KNOWN_PACKAGES = sys.stdlib_module_names | {
    *("alembic", "alembic_postgresql_enum", "builtins", "sqlalchemy"),
}

# The modules of SQLAlchemy that construct SQL and do not run it.
SQL_MODULES = ("dialects", "schema", "sql", "types")
INSPECTOR = "sqlalchemy.inspect"
# The prefixes of DDL classes in sqlalchemy.schema.
DDL_ELEMENTS = tuple(f"sqlalchemy.schema.{word}" for word in ("Add", "Create", "Drop", "Set"))
# Methods by which an Enum, a Table or a MetaData creates or drops itself in a database.
DDL_METHODS = ("create", "create_all", "drop", "drop_all")

# Methods of SQL expressions that return SQL expressions, and methods of strings and collections.
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

# Statements that change the schema only, as the parser calls them: ALTER, CREATE and DROP, and these.
SCHEMA_STATEMENTS = ("Alter", "Create", "Drop")
OTHER_SCHEMA_STATEMENTS = _words(
    """
    ClusterStmt CommentStmt CompositeTypeStmt ConstraintsSetStmt DefineStmt GrantRoleStmt GrantStmt
    ImportForeignSchemaStmt IndexStmt LockStmt RefreshMatViewStmt ReindexStmt RenameStmt RuleStmt
    SecLabelStmt VacuumStmt VariableSetStmt ViewStmt
    """
)


def is_schema_operation(path: str) -> bool:
    """Whether a call is an operation that changes the schema and no rows."""
    module, _, name = path.rpartition(".")
    if module == operations.__name__:
        return name in OWN_OPERATIONS
    return module in ("alembic.op", BATCH) and name in SCHEMA_OPERATIONS


def is_ddl_element(path: str) -> bool:
    """Whether a call returns DDL for `op.execute`: `sqlalchemy.schema.CreateSequence`."""
    return path.startswith(DDL_ELEMENTS)


def constructs_sql(path: str) -> bool:
    """Whether a call of SQLAlchemy constructs SQL without running it."""
    package, _, rest = path.partition(".")
    name = rest.partition(".")[0]
    thing = getattr(sqlalchemy, name, None)
    if package != "sqlalchemy" or thing is None:
        return False
    module = getattr(thing, "__module__", None)  # a module has none
    return name in SQL_MODULES or str(module).startswith("sqlalchemy.sql.")


def is_ddl_method(path: str) -> bool:
    """Whether a method of SQLAlchemy creates or drops an object: `sqlalchemy.Enum.create`."""
    thing, _, method = path.rpartition(".")
    return method in DDL_METHODS and constructs_sql(thing)


def reads_schema(path: str) -> bool:
    """Whether a call is a method of SQLAlchemy's inspector."""
    thing, _, method = path.rpartition(".")
    return thing == INSPECTOR and method.startswith(("get_", "has_"))


def changes_schema_only(sql: str) -> bool:
    """Whether all statements of a script change the schema only. An empty script does not count, nor
    does one that the parser cannot read.

    Raises:
        CommandError: the parser is not installed.
    """
    try:
        # In text(), a backslash says that a colon begins no parameter.
        statements = statements_in(sql.replace(r"\:", ":"))
    except UnreadableError:
        return False
    return bool(statements) and all(map(_is_schema_statement, statements))


def _is_schema_statement(statement: Node) -> bool:
    kind = kind_of(statement)
    if kind == "CreateTableAsStmt":  # its query fills a table, or a materialized view
        return choice_of(statement, "objtype") == "OBJECT_MATVIEW"
    return kind.startswith(SCHEMA_STATEMENTS) or kind in OTHER_SCHEMA_STATEMENTS
