"""Logical replication between two databases of one server."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic_live.postgres.local.cluster import Cluster, free_port
from alembic_live.postgres.local.throwaway import new_folder, remove
from project import wait_until
from psycopg import sql
from server import Database

HOST = "127.0.0.1"
COPIED = "SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel"


@contextmanager
def server_with_logical_replication() -> Iterator[Database]:
    """A server whose databases can publish."""
    folder = new_folder()
    cluster = Cluster(folder, throwaway=True)
    try:
        cluster.start(HOST, free_port(HOST))
        address = cluster.admin_address
        server = Database(HOST, address.port, address.user, address.password, address.name)
        server.query("ALTER SYSTEM SET wal_level = logical")
        server.query("ALTER SYSTEM SET wal_retrieve_retry_interval = '200ms'")
        cluster.stop()
        cluster.start(HOST, address.port)
        yield server
    finally:
        remove(folder)


@contextmanager
def subscribed(subscriber: Database, publisher: Database, publication: str) -> Iterator[None]:
    """Replicate a publication of the one database into the other."""
    slot = f"{subscriber.name}_slot"
    publisher.query("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", slot)
    where = (
        f"host={HOST} port={publisher.port} user={publisher.user} password={publisher.password} "
        f"dbname={publisher.name}"
    )
    with subscriber.connect() as connection:
        connection.execute(
            sql.SQL(
                "CREATE SUBSCRIPTION sub CONNECTION {} PUBLICATION {} "
                "WITH (create_slot = false, slot_name = {})"
            ).format(where, sql.Identifier(publication), slot)
        )
        try:
            yield
        finally:
            connection.execute("ALTER SUBSCRIPTION sub DISABLE")
            connection.execute("ALTER SUBSCRIPTION sub SET (slot_name = NONE)")
            connection.execute("DROP SUBSCRIPTION sub")
            drop = "SELECT pg_drop_replication_slot(%s)"
            active = "SELECT active FROM pg_replication_slots WHERE slot_name = %s"
            wait_until(lambda: not publisher.value(active, slot))
            publisher.query(drop, slot)


def wait_for_copy(subscriber: Database) -> None:
    """Wait until the tables are copied."""
    wait_until(lambda: bool(subscriber.value(COPIED)))
