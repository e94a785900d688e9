"""What is used of SQLAlchemy though its documentation does not have it."""

from collections.abc import Awaitable, Callable, Coroutine
from copy import copy
from typing import Any, TypeVar

from sqlalchemy import (
    CheckConstraint,
    Connection,
    Constraint,
    Dialect,
    Engine,
    MetaData,
    Sequence,
    util,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import conv
from sqlalchemy.types import TypeEngine

from alembic_live.internals import Internal, attribute, require

LIBRARY = "sqlalchemy"

Result = TypeVar("Result")


def in_greenlet(work: Callable[[], Result]) -> Coroutine[Any, Any, Result]:
    """A coroutine that runs synchronous work on an async driver. The public way to it,
    `AsyncConnection.run_sync`, imports the ORM, which takes longer than a migration.
    """
    return util.greenlet_spawn(work)


def wait_for(awaitable: Awaitable[Result]) -> Result:
    """Wait in work that runs `in_greenlet`, and leave the event loop free meanwhile."""
    return util.await_only(awaitable)


def with_own_pool(engine: Engine) -> Engine:
    """The same engine with a separate pool: a connection belongs to one event loop, and the other
    pool may have none to give. `create_engine` would need arguments that the engine does not tell.
    """
    own = copy(engine)
    own.pool = engine.pool.recreate()
    return own


def dialect_without_connection() -> Dialect:
    """The dialect of Postgres that writes SQL. With the default paramstyle it doubles percent signs
    in names. Before it has connected, that of SQLAlchemy 2.0 doubles backslashes in strings.
    """
    from sqlalchemy.dialects import postgresql  # slow to import

    dialect: Any = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
    dialect._backslash_escapes = False
    return dialect  # type: ignore[no-any-return]


def dialect_without_driver() -> Dialect:
    """The dialect of Postgres whose `type_descriptor` gives SQLAlchemy's types. That of a driver gives
    the driver's, such as `_PGJSONB`, which no revision can name.
    """
    from sqlalchemy.dialects.postgresql.base import PGDialect

    dialect: Any = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]
    dialect.driver = dialect_without_connection().driver  # a decorator may ask
    return dialect  # type: ignore[no-any-return]


def driver_error(connection: Connection) -> type[Exception]:
    """The base of the errors of the driver, for those that SQLAlchemy passes on as they are."""
    error: type[Exception] = connection.dialect.loaded_dbapi.Error
    return error


def execute_simple_query(cursor: Any, sql: str) -> None:
    """Execute SQL with a cursor of asyncpg, without preparing it. The cursor has no rows then. The
    error of the driver is raised as by `cursor.execute`.
    """
    adapted = cursor._adapt_connection
    try:
        status = adapted.run_async(lambda driver: driver.execute(sql))
    except Exception as error:
        adapted._handle_exception(error)
        raise
    words = status.split() if status else []
    if words and words[-1].isdigit():  # INSERT 0 1
        # SQLAlchemy 2.0 has the second.
        name = "_rowcount" if hasattr(cursor, "_rowcount") else "rowcount"
        setattr(cursor, name, int(words[-1]))


def begin_with(connection: Connection, sql: str) -> bool:
    """Send BEGIN and SQL in one round trip. False if the driver cannot do that: the SQL is not sent
    then. SQLAlchemy itself sends BEGIN before the first statement. The error of the driver is raised
    as it is.
    """
    driver: Any = connection.connection.driver_connection
    if not hasattr(driver, "at_begin"):
        return False
    adapted: Any = connection.connection.dbapi_connection
    driver.at_begin = sql
    adapted.run_async(lambda _: adapted._start_transaction())
    is_sent = not driver.at_begin
    driver.at_begin = ""
    return is_sent


CURSORS = tuple(
    attribute(LIBRARY, "sqlalchemy.dialects.postgresql.asyncpg", f"AsyncAdapt_asyncpg_{name}")
    for name in (
        "connection.run_async",
        "connection._start_transaction",
        "connection._handle_exception",
        "cursor._adapt_connection",
        "cursor.rowcount",
    )
)


def connecting_errors(engine: Engine) -> tuple[type[Exception], ...]:
    """The errors that an engine raises when it cannot connect, for `except`. SQLAlchemy 2.0 passes
    asyncpg's on as they are, 2.1 does not.
    """
    common = (DBAPIError, ImportError, OSError, UnicodeError)
    if engine.dialect.driver != "asyncpg":
        return common
    module: Any = engine.dialect.loaded_dbapi.asyncpg
    return (*common, module.PostgresError, module.InterfaceError)


def on_postgres(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type that `with_variant` gives to Postgres, or the type itself without its variants."""
    require(TYPES)
    variants = type_._variant_mapping
    if not variants:
        return type_
    if "postgresql" in variants:
        return variants["postgresql"]
    plain = copy(type_)
    plain._variant_mapping = util.EMPTY_DICT
    return plain


def sequences_of(metadata: MetaData) -> list[Sequence]:
    """The sequences of the models: those of columns, and others that belong to the metadata."""
    require(TYPES)
    return list(metadata._sequences.values())


TYPES = (
    Internal(LIBRARY, "MetaData._sequences", lambda: MetaData()._sequences == {}),
    attribute(LIBRARY, "sqlalchemy.types", "TypeEngine._variant_mapping"),
    attribute(LIBRARY, "sqlalchemy.util", "EMPTY_DICT"),
)


def is_created(constraint: Constraint, dialect: Dialect) -> bool:
    """Whether SQLAlchemy creates a constraint. That of a Boolean exists for databases that have no
    such type.

    Raises:
        IncompatibleLibraryError: SQLAlchemy decides that in another way.
    """
    require(CONSTRAINTS)
    compiler: Any = dialect.ddl_compiler(dialect, None)  # type: ignore[arg-type]
    return bool(constraint._should_create_for_compiler(compiler))


def is_of_type(constraint: CheckConstraint) -> bool:
    """Whether the type of a column brings a check, such as an Enum without a native type."""
    return bool(constraint._type_bound)


CONSTRAINTS = (
    attribute(LIBRARY, "sqlalchemy", "Constraint._should_create_for_compiler"),
    attribute(LIBRARY, "sqlalchemy.engine.default", "DefaultDialect.ddl_compiler"),
    Internal(
        LIBRARY,
        "CheckConstraint._type_bound",
        lambda: CheckConstraint("true")._type_bound is False,
    ),
)


def shortened_name(name: conv) -> str:
    """The name that SQLAlchemy writes in SQL for the generated name of a constraint. The public way
    to it is to compile a statement and to read the name in it.

    Raises:
        IncompatibleLibraryError: SQLAlchemy does not shorten it, or in another way.
    """
    if len(name) <= LONGEST_NAME:
        return str(name)
    require(NAMES)
    return _shortened(name)


def _shortened(name: conv) -> str:
    from sqlalchemy.dialects import postgresql  # slow to import

    preparer: Any = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call]
    return str(preparer.truncate_and_render_constraint_name(name, _alembic_quote=False))


LONGEST_NAME = 63  # characters

NAMES = (
    Internal(
        LIBRARY,
        "IdentifierPreparer.truncate_and_render_constraint_name",
        lambda: _shortened(conv("A" * 64)) == "A" * 55 + "_ba45",
    ),
)

MIGRATION = (
    attribute(LIBRARY, "sqlalchemy.util", "greenlet_spawn"),
    attribute(LIBRARY, "sqlalchemy.util", "await_only"),
    attribute(LIBRARY, "sqlalchemy.engine.default", "DefaultDialect.loaded_dbapi"),
    attribute(LIBRARY, "sqlalchemy.pool", "Pool.recreate"),
)
