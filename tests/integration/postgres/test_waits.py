"""What a session waits for is named, with the remedy for its kind, on a separate server: most of
its settings are for all databases.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import psycopg
import pytest
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.local.cluster import Cluster, free_port
from alembic_live.postgres.local.throwaway import new_folder, remove
from alembic_live.postgres.waits import Activity, Wait, look_at
from alembic_live.runtime.lock import lock_holder
from migrating import held_lock
from project import wait_until
from server import Database
from sqlalchemy import Connection

SETTINGS = """
max_prepared_transactions = 5
autovacuum_freeze_max_age = 100000
autovacuum_naptime = 1
synchronous_commit = on
"""
TERMINATE = "To end it, as a superuser: SELECT pg_terminate_backend({});"
GRANT = 'To see what sessions of other roles do: GRANT pg_read_all_stats TO "migrator";'


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    """A database of its superuser, with tables of the role `migrator`."""
    folder = new_folder()
    cluster = Cluster(folder, throwaway=True, password="secret")
    try:
        cluster._create()
        with (cluster.data / "postgresql.conf").open("a") as configuration:
            configuration.write(SETTINGS)
        cluster.start("127.0.0.1", free_port("127.0.0.1"))
        address = cluster.admin_address
        database = Database(address.host, address.port, address.user, "secret", address.name)
        database.query("CREATE ROLE migrator LOGIN PASSWORD 'secret'")
        database.query("CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t OWNER TO migrator")
        database.query("GRANT CREATE ON SCHEMA public TO migrator")
        database.query("GRANT pg_execute_server_program TO migrator")
        yield database
    finally:
        remove(folder)


@contextmanager
def session(database: Database, name: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with database.connect() as connection:
        connection.execute("SELECT set_config('application_name', %s, false)", (name,))
        yield connection


@contextmanager
def seen(
    database: Database, statement: str, settings: str = ""
) -> Iterator[Callable[[], Wait | Activity | None]]:
    """Execute a statement as the migrator during the block; yields a look at it, as the migrator."""
    migrator = replace(database, user="migrator", password="secret")
    with session(migrator, "migrations") as connection:
        pid = connection.info.backend_pid
        connection.execute(settings.encode())

        def execute() -> None:
            with suppress(psycopg.errors.QueryCanceled):
                connection.execute(statement.encode())

        def look() -> Wait | Activity | None:
            def in_autocommit(second: Connection) -> Wait | Activity | None:
                return look_at(second.execution_options(isolation_level="AUTOCOMMIT"), pid)

            return with_connection(make_engine(migrator.address()), in_autocommit)

        thread = threading.Thread(target=execute)
        thread.start()
        try:
            yield look
        finally:
            while thread.is_alive():
                database.query("SELECT pg_cancel_backend(%s)", pid)
                thread.join(0.1)


def waits_for(look: Callable[[], Wait | Activity | None]) -> str:
    """What it waits for, once it does."""
    wait_until(lambda: isinstance(look(), Wait), seconds=20)
    return str(look())


def test_a_session_of_another_role(database: Database) -> None:
    with session(database, "report") as holder, holder.transaction():
        holder.execute("SELECT FROM t")
        pid = holder.info.backend_pid
        with seen(database, "ALTER TABLE t ADD COLUMN x int") as look:
            assert waits_for(look) == (
                f'"t", held by pid {pid} (report, of role "local_admin", state hidden). '
                f"{TERMINATE.format(pid)} {GRANT}"
            )
            database.query("GRANT pg_read_all_stats, pg_signal_backend TO migrator")
            text = waits_for(look)
            database.query("REVOKE pg_read_all_stats, pg_signal_backend FROM migrator")
    assert (
        f"held by pid {pid} (report, idle in transaction, for 0 s). {TERMINATE.format(pid)}" in text
    )
    assert GRANT not in text


def test_a_session_of_its_role_and_one_of_a_role_that_it_may_end(database: Database) -> None:
    database.query("CREATE ROLE other LOGIN PASSWORD 'secret'; GRANT SELECT ON t TO other")
    for user, words in (("migrator", ""), ("other", ", as a role with pg_signal_backend")):
        holders = replace(database, user=user, password="secret")
        with session(holders, "report") as holder, holder.transaction():
            holder.execute("SELECT FROM t")
            pid = holder.info.backend_pid
            with seen(database, "ALTER TABLE t ADD COLUMN x int") as look:
                assert f"To end it{words}: SELECT pg_terminate_backend({pid});" in waits_for(look)


@contextmanager
def prepared(database: Database, *statements: str) -> Iterator[None]:
    with database.connect() as connection:
        connection.execute("BEGIN")
        for statement in statements:
            connection.execute(statement.encode())
        connection.execute("PREPARE TRANSACTION 'left over'")
    try:
        yield
    finally:
        database.query("ROLLBACK PREPARED 'left over'")


ROLLBACK = "ROLLBACK PREPARED 'left over'; or COMMIT PREPARED 'left over';"


def test_a_prepared_transaction(database: Database) -> None:
    with prepared(database, "INSERT INTO t VALUES (1)"):
        for statement, what in (
            ("ALTER TABLE t ADD COLUMN x int", '"t"'),
            ("CREATE INDEX CONCURRENTLY i ON t (id)", "older transactions"),
            ("INSERT INTO t VALUES (1)", "a row"),
        ):
            with seen(database, statement) as look:
                text = waits_for(look)
            assert (
                f"{what}, held by prepared transaction 'left over' (of role \"local_admin\", for"
                in text
            )
            assert text.endswith(ROLLBACK)
            assert "pid" not in text
    database.query("DROP INDEX i")


def test_a_prepared_transaction_that_does_not_conflict_is_not_named(database: Database) -> None:
    """Two of them hold locks on the table, and one of the locks conflicts."""
    with session(database, "report") as holder:
        holder.execute("BEGIN; LOCK t IN ACCESS SHARE MODE; PREPARE TRANSACTION 'harmless'")
        with (
            prepared(database, "LOCK t IN ROW EXCLUSIVE MODE"),
            seen(database, "BEGIN; LOCK t IN SHARE MODE") as look,
        ):
            text = waits_for(look)
        holder.execute("ROLLBACK PREPARED 'harmless'")
    assert "left over" in text
    assert "harmless" not in text


def test_an_older_snapshot(database: Database) -> None:
    with session(database, "report") as holder, holder.transaction():
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        with seen(database, "CREATE INDEX CONCURRENTLY i ON t (id)") as look:
            pid = holder.info.backend_pid
            assert waits_for(look).startswith(f"older transactions, held by pid {pid} (report")
    database.query("DROP INDEX i")


def test_the_advisory_lock_of_another_tool(database: Database) -> None:
    with session(database, "flyway") as holder, session(database, "flyway 2") as waiting:
        holder.execute("SELECT pg_advisory_lock(77)")
        first, second = holder.info.backend_pid, waiting.info.backend_pid
        with seen(database, "SELECT pg_advisory_lock(77)") as look:
            assert waits_for(look).startswith(f"advisory lock 77, held by pid {first} (flyway, ")
        thread = threading.Thread(target=waiting.execute, args=("SELECT pg_advisory_lock(77)",))
        thread.start()
        with seen(database, "CREATE INDEX CONCURRENTLY i ON t (id)") as look:
            text = waits_for(look)
        holder.execute("SELECT pg_advisory_unlock(77)")
        thread.join()
    assert f"older transactions, held by pid {second} (flyway 2, " in text
    assert f", waiting for an advisory lock of pid {first} (flyway, " in text
    assert f"SELECT pg_terminate_backend({first});" in text  # the root, and not the one that waits
    database.query("DROP INDEX i")


def test_a_backup(database: Database) -> None:
    with session(database, "pg_dump") as holder, holder.transaction():
        holder.execute("LOCK t IN ACCESS SHARE MODE")
        with seen(database, "ALTER TABLE t ADD COLUMN x int") as look:
            assert "It is a backup: let it finish, or migrate at another time." in waits_for(look)


def test_a_backup_that_holds_no_lock_is_not_waited_for(database: Database) -> None:
    with session(database, "nightly") as backup, backup.transaction():
        backup.execute("SELECT pg_backup_start('nightly', true)")
        with seen(database, "ALTER TABLE t ADD COLUMN x int; ALTER TABLE t DROP COLUMN x") as look:
            wait_until(lambda: look() is None)


def test_objects_that_are_no_tables(database: Database) -> None:
    database.query("CREATE SCHEMA s AUTHORIZATION migrator")
    with session(database, "report") as holder, holder.transaction():
        holder.execute("COMMENT ON SCHEMA s IS 'in use'")
        with seen(database, "DROP SCHEMA s") as look:
            assert waits_for(look).startswith("schema s, held by pid")


def test_a_vacuum_by_hand(database: Database) -> None:
    database.query(
        "CREATE TABLE slow (id int); INSERT INTO slow SELECT generate_series(1, 100000);"
        "ALTER TABLE slow OWNER TO migrator; DELETE FROM slow"
    )
    with session(database, "admin") as holder:
        holder.execute("SET vacuum_cost_delay = 100; SET vacuum_cost_limit = 1")
        thread = threading.Thread(target=_cancelled, args=(holder, "VACUUM slow"))
        thread.start()
        wait_until(lambda: bool(database.query("SELECT 1 FROM pg_stat_progress_vacuum")))
        pid = holder.info.backend_pid
        with seen(database, "ALTER TABLE slow ADD COLUMN x int") as look:
            text = waits_for(look)
        holder.cancel()
        thread.join()
    assert f"held by pid {pid} (admin, VACUUM, of role" in text
    assert f"cancel it, and repeat it later: SELECT pg_cancel_backend({pid});" in text
    assert "terminate" not in text


def _cancelled(connection: psycopg.Connection[tuple[object, ...]], statement: str) -> None:
    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute(statement.encode())


def test_an_autovacuum_against_wraparound(database: Database) -> None:
    """It must not be ended. The role does not see its query, and nobody ends it meanwhile."""
    database.query(
        "CREATE TABLE old (id int, pad text) WITH (fillfactor = 10,"
        " autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1);"
        "INSERT INTO old SELECT g, repeat('x', 300) FROM generate_series(1, 5000) g;"
        "ALTER TABLE old OWNER TO migrator"
    )
    with database.connect() as connection:
        connection.execute(
            "DO $$ BEGIN FOR i IN 1..100100 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
        )
    running = (
        "SELECT 1 FROM pg_stat_activity a JOIN pg_stat_progress_vacuum v USING (pid)"
        " WHERE a.backend_type = 'autovacuum worker' AND v.relid = 'old'::regclass"
    )
    wait_until(lambda: bool(database.query(running)))
    with seen(database, "ALTER TABLE old ADD COLUMN x int") as look:
        text = waits_for(look)
    assert "(autovacuum: VACUUM to prevent wraparound)" in text
    assert "Let it finish" in text
    assert "SET autovacuum_vacuum_cost_delay = 0; SELECT pg_reload_conf();" in text
    assert "terminate" not in text
    assert "cancel" not in text


def test_a_synchronous_standby_that_is_gone(database: Database) -> None:
    def name(standbys: str) -> None:
        with database.connect() as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = " + standbys)
            connection.execute("SELECT pg_reload_conf()")

    name("'gone'")
    try:
        wait_until(lambda: database.value("SHOW synchronous_standby_names") == "gone")
        with seen(database, "ALTER TABLE t ALTER id SET STATISTICS 10") as look:
            text = waits_for(look)
            with seen(database, "ALTER TABLE t ALTER id SET STATISTICS 20") as behind:
                text_behind = waits_for(behind)
    finally:
        name("''")
    assert text.startswith(
        "a synchronous standby to confirm a COMMIT. synchronous_standby_names is"
    )
    assert "'gone'; connected: none. The COMMIT is on the disk of this server already." in text
    remedy = "ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf();"
    assert text.endswith(remedy)
    assert "at its COMMIT, which waits for a synchronous standby" in text_behind
    assert text_behind.endswith(remedy)


def test_work_and_sleep(database: Database) -> None:
    with seen(database, "SELECT pg_sleep(60)") as look:
        wait_until(lambda: look() == Activity(None, "in pg_sleep() (Timeout: PgSleep)"))
    with seen(database, "SELECT 1") as look:
        wait_until(lambda: look() is None)


@pytest.mark.parametrize(
    ("statement", "progress"),
    [
        ("CREATE INDEX CONCURRENTLY i ON steps (slow(id))", "building index: scanning table, 100%"),
        ("VACUUM FULL indexed", "rebuilding index"),
        ("VACUUM slow_to_vacuum", "scanning heap"),
        ("ANALYZE slow_to_vacuum", "acquiring sample rows"),
        ("COPY (SELECT slow(id) FROM steps) TO PROGRAM 'cat >/dev/null'", "rows"),
    ],
)
def test_progress(database: Database, statement: str, progress: str) -> None:
    migrator = replace(database, user="migrator", password="secret")
    migrator.query(
        """
        DROP TABLE IF EXISTS steps, indexed, slow_to_vacuum; DROP INDEX IF EXISTS i;
        CREATE OR REPLACE FUNCTION slow(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE
            AS 'BEGIN PERFORM pg_sleep(current_setting(''a.pause'')::float); RETURN i; END';
        SET a.pause = 0;
        CREATE TABLE steps AS SELECT g AS id FROM generate_series(1, 100) g;
        CREATE TABLE indexed AS SELECT * FROM steps; CREATE INDEX ON indexed (slow(id));
        CREATE TABLE slow_to_vacuum AS SELECT generate_series(1, 100000) AS id
        """
    )
    slowly = "SET a.pause = 0.2; SET vacuum_cost_delay = 100; SET vacuum_cost_limit = 1"
    with seen(database, statement, slowly) as look:
        wait_until(lambda: progress in str(look()), seconds=20)
        found = look()
    assert isinstance(found, Activity)
    assert found.progress
    assert found.progress.command.split()[0] == statement.split()[0]


def test_a_role_that_becomes_another_one_sees_its_sessions(database: Database) -> None:
    migrator = replace(database, user="migrator", password="secret")
    database.query("CREATE ROLE tables; GRANT tables TO migrator")
    database.query("ALTER ROLE migrator SET role = tables")
    try:
        with held_lock(migrator):
            engine = make_engine(migrator.address())
            holder = with_connection(engine, lambda connection: lock_holder(connection, None))
    finally:
        database.query("ALTER ROLE migrator RESET role")
    assert holder
    assert holder.since
    assert "of another role" not in str(holder)
