"""Roles of the tests' server that are dropped at the end, and TLS for a proxy in front of it."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import trustme
from psycopg import sql
from server import Database


@contextmanager
def owner(server: Database, name: str, password: str) -> Iterator[Database]:
    """A database whose owner, of the same name, logs in with the password."""
    role = sql.Identifier(name)
    with server.another(name) as database:
        with server.connect() as connection:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, password))
            connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(role, role))
        try:
            yield replace(database, user=name, password=password)
        finally:
            with database.connect() as connection:
                connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
                connection.execute(
                    sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(sql.Identifier(name))
                )
                connection.execute(sql.SQL("DROP ROLE {}").format(role))


@contextmanager
def a_role(database: Database, attributes: str) -> Iterator[Database]:
    """A role that owns the database."""
    name = f'role of "{database.name[-20:]}" {attributes}'
    role, database_name = sql.Identifier(name), sql.Identifier(database.name)
    with database.connect() as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN {} PASSWORD 'secret'").format(
                role,
                sql.SQL(attributes),
            )
        )
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database_name, role))
        try:
            yield replace(database, user=name, password="secret")
        finally:
            connection.execute(
                sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(database_name)
            )
            connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
            connection.execute(sql.SQL("DROP ROLE {}").format(role))


@contextmanager
def role(database: Database, name: str) -> Iterator[Database]:
    """A role that may log in and nothing else."""
    name = f"{name}_{database.name[-20:]}"
    with database.connect() as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'secret-of-guests'").format(sql.Identifier(name))
        )
        yield replace(database, user=name, password="secret-of-guests")
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def server_context(certified: str) -> tuple[ssl.SSLContext, trustme.CA, trustme.CA]:
    """TLS for a server that is certified under a name, its authority, and another authority."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(certified).configure_cert(context)
    return context, authority, trustme.CA()
