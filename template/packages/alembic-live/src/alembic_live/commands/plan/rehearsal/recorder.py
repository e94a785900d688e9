"""Records what each statement of a revision does on a scratch database."""

import sys
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection, event

from alembic_live.address import Address
from alembic_live.commands.lint.revision_sql import origin_of
from alembic_live.commands.plan.rehearsal.concurrent import Watch
from alembic_live.commands.plan.rehearsal.effects import LockMode
from alembic_live.commands.plan.rehearsal.observation import Change, Observed
from alembic_live.commands.plan.rehearsal.relations import COUNT_FROM_ZERO, EVERYTHING, TOUCHED
from alembic_live.commands.plan.rehearsal.row_changes import add_row_changes
from alembic_live.commands.plan.rehearsal.statement import RehearsedStatement
from alembic_live.internals.sqlalchemy import driver_error
from alembic_live.postgres.connection import is_autocommit, is_in_transaction, listening
from alembic_live.postgres.explanations import sqlstate
from alembic_live.printable import one_line
from alembic_live.sql.redaction import redacted
from alembic_live.sql.statement_kinds import stays_in_database

# "cannot run inside a transaction block", and COMMIT in a procedure
NEEDS_NO_TRANSACTION = ("25001", "2D000")

UNSEEN = "(through the connection of the driver)"


class ServerChangeError(CommandError):
    """A statement changes what belongs to the whole server, such as a role. It is rolled back."""

    def __init__(self, sql: str) -> None:
        shown = one_line(" ".join(redacted(sql).split()), 80)
        super().__init__(f"A revision changes the server, and not just its database: {shown}.")


class Recorder:
    """Records the statements of revisions on one connection.

    Attributes:
        observed: the relations of the database.
        server_change: why a statement was refused, if one was.
        statements: those of the revision in progress.
    """

    def __init__(
        self,
        connection: Connection,
        database: Address,
        ignored: list[str],
        *,
        may_change_server: bool = False,
    ) -> None:
        """
        Args:
            connection: a connection to the scratch database, without a transaction.
            database: its address.
            ignored: the names of tables that no report mentions.
            may_change_server: whether the server is there for the rehearsal alone.
        """
        self.statements: list[RehearsedStatement] = []
        self._connection = connection
        self._database = database
        self._is_fresh = True  # whether the transaction in progress has executed nothing
        self._outside = 0
        self._may_change_server = may_change_server
        self.server_change: ServerChangeError | None = None
        self._seen: set[tuple[str, str]] = set()
        with connection.begin():
            self.observed = Observed(self.ask(EVERYTHING), ignored)

    @contextmanager
    def recording(self, files: Collection[str]) -> Iterator[None]:
        """Record the statements that the code in some files executes during the block."""
        connection = self._connection

        def execute(cursor: Any, sql: str, parameters: Any, context: Any) -> bool:
            if context.root_connection is not connection or not is_autocommit(connection):
                return False
            if is_in_transaction(connection):  # the revision executed BEGIN
                return False
            place = _place(files)
            if place is None:
                return False
            self._execute_outside(cursor, sql, parameters, *place)
            return True

        def execute_verbatim(cursor: Any, sql: str, context: Any) -> bool:
            return execute(cursor, sql, None, context)

        def begin(_connection: Connection) -> None:
            self._is_fresh = True

        def before(_connection: Connection, _cursor: object, *_rest: object) -> None:
            if self._is_fresh and not is_autocommit(connection):
                self._is_fresh = False
                self.ask(COUNT_FROM_ZERO)

        def after(
            _connection: Connection,
            _cursor: object,
            sql: str,
            parameters: Any,
            context: Any,
            _many: bool,
        ) -> None:
            if is_autocommit(connection) and not is_in_transaction(connection):
                return
            if sql.lstrip()[:8].upper() == "ROLLBACK":  # to a savepoint
                self.observed.forget(self.ask(TOUCHED))
            elif place := _place(files):
                is_verbatim = context.execution_options.get("no_parameters")
                self._observe(sql, None if is_verbatim else parameters, *place)

        event.listen(connection.dialect, "do_execute", execute)
        event.listen(connection.dialect, "do_execute_no_params", execute_verbatim)
        try:
            with listening(
                connection,
                begin=begin,
                before_cursor_execute=before,
                after_cursor_execute=after,
            ):
                yield
        finally:
            event.remove(connection.dialect, "do_execute", execute)
            event.remove(connection.dialect, "do_execute_no_params", execute_verbatim)

    def ask(self, query: str, parameters: Any = None) -> Any:
        """The value of a query on the connection, in its transaction. No event sees it.

        Args:
            query: the query.
            parameters: those of the driver; None if percent signs have no special meaning in it.
        """
        with closing(self._connection.connection.cursor()) as cursor:
            cursor.execute(query, *([] if parameters is None else [parameters]))
            row = cursor.fetchone()
            return row[0] if row else None

    def finish(self) -> list[RehearsedStatement]:
        """The statements of the revision in progress, before its commit. What the revision has done
        without SQLAlchemy is one more.

        Raises:
            ServerChangeError: it has changed the server.
        """
        change = self._changed(UNSEEN)
        if change.locks or change.works or change.emptied:
            self.statements.append(self._statement(UNSEEN, None, 1, False, change))
        finished, self.statements = self.statements, []
        return finished

    def _run(self, command: str) -> None:
        with closing(self._connection.connection.cursor()) as cursor:
            cursor.execute(command)

    def _observe(self, sql: str, parameters: Any, line: int, is_safe: bool) -> None:
        change = self._changed(sql)
        if (change.transaction, sql) in self._seen and not (change.locks or change.works):
            return  # a loop
        self._seen.add((change.transaction, sql))
        statement = self._statement(sql, parameters, line, is_safe, change)
        if not any(lock.mode > LockMode.ROW_EXCLUSIVE for lock in change.locks):
            add_row_changes(statement, self._explain(sql, parameters), self.observed)
        self.statements.append(statement)

    def _changed(self, sql: str) -> Change:
        """What the transaction has done since the last call.

        Raises:
            ServerChangeError: it has changed the server. It is rolled back.
        """
        change = self.observed.change(self.ask(TOUCHED))
        if change.is_shared and not self._may_change_server:
            self._connection.connection.rollback()  # the revision may catch the error
            self._refuse(sql)
        return change

    def _refuse(self, sql: str) -> None:
        self.server_change = ServerChangeError(sql)
        raise self.server_change

    def _statement(
        self, sql: str, parameters: Any, line: int, is_safe: bool, change: Change
    ) -> RehearsedStatement:
        is_format = parameters is not None and "format" in self._connection.dialect.paramstyle
        return RehearsedStatement(
            sql.replace("%%", "%") if is_format else sql,
            line,
            change.transaction,
            is_safe=is_safe,
            locks=change.locks,
            works=change.works,
            emptied=dict.fromkeys(change.emptied, False),
        )

    def _explain(self, sql: str, parameters: Any) -> Any:
        """The plan of a query, or None if Postgres explains no such statement."""
        if isinstance(parameters, list):  # of executemany
            parameters = parameters[0] if parameters else None
        self._run("SAVEPOINT explanation")
        try:
            return self.ask(f"EXPLAIN (VERBOSE, FORMAT JSON) {sql}", parameters)
        except driver_error(self._connection):
            self._run("ROLLBACK TO SAVEPOINT explanation")
            return None
        finally:
            self._run("RELEASE SAVEPOINT explanation")

    def _execute_outside(
        self, cursor: Any, sql: str, parameters: Any, line: int, is_safe: bool
    ) -> None:
        """Execute a statement of an autocommit_block in a transaction, which shows what it does. If
        Postgres refuses that, watch it from another session.

        Raises:
            ServerChangeError: it changes the server.
        """
        arguments = (sql, *([parameters] if parameters else []))
        self._run("BEGIN")
        try:
            self._run(COUNT_FROM_ZERO)
            cursor.execute(*arguments)
            self._observe(sql, parameters, line, is_safe)
        except Exception as error:
            self._run("ROLLBACK")
            if sqlstate(error) not in NEEDS_NO_TRANSACTION:
                raise
        else:
            self._run("COMMIT")
            return
        if not (self._may_change_server or stays_in_database(sql)):
            self._refuse(sql)
        pid = self.ask("SELECT pg_backend_pid()")
        watch = Watch(self._database, pid)
        with watch.watching():
            cursor.execute(*arguments)
        change = self.observed.change_outside(self.ask(EVERYTHING), watch.modes)
        self._outside += 1
        change.transaction = f"outside {self._outside}"
        statement = self._statement(sql, parameters, line, is_safe, change)
        statement.is_outside = True
        self.statements.append(statement)


def _place(files: Collection[str]) -> tuple[int, bool] | None:
    """The line of a revision that executes a statement, and whether one of the library's operations
    does it for the revision. None if neither is in progress.
    """
    origin = origin_of(sys._getframe(1), files)
    return None if origin.line is None else (origin.line, origin.is_safe)
