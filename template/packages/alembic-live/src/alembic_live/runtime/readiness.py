"""Whether an application can serve requests: what its readiness probe asks."""

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Self

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoFreeConnectionError
from sqlalchemy.ext.asyncio import AsyncEngine

from alembic_live.alembic_ini import SECTION, read_ini
from alembic_live.history.heads import effective_heads
from alembic_live.postgres.explanations import reason_of, sqlstate
from alembic_live.printable import one_line
from alembic_live.project import Project
from alembic_live.runtime.declaration import VERSION_TABLE
from alembic_live.sql.quoting import identifier

NO_TABLE = ("42P01", "3F000")  # undefined_table, invalid_schema_name
ATTEMPTS = 2  # the first may get a connection that the server has closed

log = logging.getLogger(__name__)


class Readiness:
    """Asks whether the database answers in time, and whether its revision fits the code.

    The revision fits if it is the head, if the code does not know it, or if `accepts` names it. Newer
    code has written an unknown revision: in a rolling deploy, the older replicas go on serving.

    Probes cost little: concurrent ones share one query, and its answer holds for a moment. The first
    one also reads the revision files. `version_table` and `version_table_schema` of `[alembic_live]`
    in alembic.ini say where the revision is.
    """

    def __init__(
        self,
        project: Project,
        engine: Callable[[], AsyncEngine],
        *,
        accepts: Collection[str] = (),
        timeout: float = 2,
        holds: float = 1,
    ) -> None:
        """
        Args:
            project: the project.
            engine: a function that returns the application's engine.
            accepts: older revisions that the code works on, too.
            timeout: seconds that the database has for its answer.
            holds: seconds for which an answer holds.
        """
        self._project = project
        self._engine = engine
        self._accepts = frozenset(accepts)
        self._timeout = timeout
        self._holds = holds
        self._known: _Code | None = None
        self._look: asyncio.Task[str | None] | None = None
        self._until = 0.0
        self._is_connected = False
        self._problem: str | None = None

    async def problem(self) -> str | None:
        """Why the application cannot serve, as a sentence without addresses and names; None if it can.
        The log has more about it. It raises nothing.
        """
        loop = asyncio.get_running_loop()
        look = self._look
        if look is None or look.get_loop() is not loop or self._is_over(look):
            look = self._look = loop.create_task(self._ask())
        return await asyncio.shield(look)  # a client that goes away ends the question of no other

    def _is_over(self, look: asyncio.Task[str | None]) -> bool:
        return look.done() and (look.cancelled() or look.get_loop().time() >= self._until)

    async def _ask(self) -> str | None:
        try:
            problem, reason = await self._problem_and_reason(), ""
        except Exception as error:
            problem, reason = self._failure(error), f" Reason: {reason_of(error)}."
        if problem != self._problem:
            level = logging.WARNING if problem else logging.INFO
            log.log(level, "%s%s", problem or "The application is ready again.", reason)
        self._problem = problem
        self._until = asyncio.get_running_loop().time() + self._holds
        return problem

    async def _problem_and_reason(self) -> str | None:
        if self._known is None:
            self._known = await asyncio.to_thread(_Code.read, self._project)
        async with asyncio.timeout(self._timeout):
            at = await self._revisions(self._known)
        return self._known.problem_at(at, self._accepts)

    async def _revisions(self, code: "_Code") -> set[str]:
        """The revisions of the database."""
        engine = self._engine()
        if self._project.pooler != "transaction":
            engine = engine.execution_options(isolation_level="AUTOCOMMIT")  # one round trip
        for attempt in range(ATTEMPTS):
            self._is_connected = False
            try:
                async with engine.connect() as connection:
                    self._is_connected = True
                    return {*await connection.scalars(text(code.query))}
            except DBAPIError as error:
                if not error.connection_invalidated or attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError

    def _failure(self, error: Exception) -> str:
        if self._known is None:
            return "The revision files cannot be read."
        if isinstance(error, TimeoutError | NoFreeConnectionError):
            limit = f"within {self._timeout:g} seconds"
            if self._is_connected:
                return f"The database does not answer {limit}."
            return (
                f"There is no connection to the database {limit}: it is down, or the pool is full."
            )
        if (state := sqlstate(error)) in NO_TABLE:
            return "The database has no revision. Run `db migrate`."
        return f"The database cannot be asked{f' (SQLSTATE {state})' if state else ''}."


@dataclass(frozen=True, slots=True)
class _Code:
    """What the code says of the database: its revisions, and where the current one is."""

    heads: set[str]
    revisions: set[str]
    query: str

    @classmethod
    def read(cls, project: Project) -> Self:
        script = project.script
        heads = effective_heads(script)
        revisions = {each.revision for each in script.walk_revisions("base", "heads")}
        ini = read_ini(project.config_file)
        name = ini.get(SECTION, "version_table", fallback=VERSION_TABLE)
        schema = ini.get(SECTION, "version_table_schema", fallback="")
        if not schema and not project.application_address.sets_search_path:
            schema = project.default_schema
        query = f"SELECT version_num::text FROM {identifier(schema, name)}"
        # A project without revisions has no version table.
        return cls(heads, revisions, query if heads else "SELECT 1 WHERE false")

    def problem_at(self, at: set[str], accepted: Collection[str]) -> str | None:
        if at == self.heads or at - self.revisions:
            return None
        older = at - self.heads
        if older and older <= set(accepted):
            return None
        names, heads = (one_line(", ".join(sorted(each))) for each in (at, self.heads))
        return (
            f"The database is at {names or 'no revision'}, and the code needs {heads}. "
            "Run `db migrate`."
        )
