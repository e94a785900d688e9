"""What is used of SQLAlchemy though its documentation does not have it."""

from collections.abc import Awaitable, Callable, Coroutine
from copy import copy
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, MetaData, Sequence, util
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


def driver_error(connection: Connection) -> type[Exception]:
    """The base of the errors of the driver, for those that SQLAlchemy passes on as they are."""
    error: type[Exception] = connection.dialect.loaded_dbapi.Error
    return error


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

MIGRATION = (
    attribute(LIBRARY, "sqlalchemy.util", "greenlet_spawn"),
    attribute(LIBRARY, "sqlalchemy.util", "await_only"),
    attribute(LIBRARY, "sqlalchemy.engine.default", "DefaultDialect.loaded_dbapi"),
    attribute(LIBRARY, "sqlalchemy.pool", "Pool.recreate"),
)
