"""The limits of a migration, and of the connection pool of an application."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a migration waits, and what it does on a database that is ahead of the code.

    Attributes:
        lock_timeout: seconds to wait for the migration lock (`runtime/lock.py`) while another process
            holds it. Postgres's setting of the same name is `lock_wait`.
        lock_wait: seconds that a statement may wait for a lock before it is rolled back. It becomes
            Postgres's `lock_timeout`.
        lock_retries: the number of retries of a revision that could not acquire a lock.
        statement_timeout: seconds that a statement in a transaction may take; 0 is no limit.
        ahead: `fail`, or `warn` and do nothing, if the database has a revision that the code lacks.
    """

    lock_timeout: float = 600
    lock_wait: float = 3
    lock_retries: int = 10
    statement_timeout: float = 0
    ahead: Literal["fail", "warn"] = "fail"


@dataclass(frozen=True, slots=True)
class PoolSize:
    """How many connections a process keeps.

    SQLAlchemy closes a connection of the overflow when it returns, so a busy process opens
    connections all the time. The default is a fixed size.

    Attributes:
        size: connections that stay open.
        overflow: further ones under load.
        timeout: seconds to wait for a free connection.
        recycle: seconds after which a connection is replaced; cheaper than a ping at each checkout
            (`pool_pre_ping`).
    """

    size: int = 15
    overflow: int = 0
    timeout: float = 10
    recycle: float = 1800

    @property
    def options(self) -> dict[str, float]:
        """The options of `create_engine`."""
        return {
            "pool_size": self.size,
            "max_overflow": self.overflow,
            "pool_timeout": self.timeout,
            "pool_recycle": self.recycle,
        }
