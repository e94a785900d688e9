"""The Postgres server that the tests use, and what is in its databases."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, LiteralString, Self

import psycopg
from alembic_live import Address
from psycopg import sql


@dataclass(frozen=True)
class Database:
    """A database, and how to log in."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    name: str

    @classmethod
    def of(cls, settings: Mapping[str, str | None]) -> Self:
        """The database that the DB_* settings name."""
        host, port, user, password, name = (
            settings[f"DB_{part}"] or "" for part in ("HOST", "PORT", "USER", "PASSWORD", "NAME")
        )
        return cls(host, int(port), user, password, name)

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead a service to it."""
        return {
            "DB_HOST": self.host,
            "DB_PORT": str(self.port),
            "DB_USER": self.user,
            "DB_PASSWORD": self.password,
            "DB_NAME": self.name,
        }

    def address(self, driver: str = "asyncpg") -> Address:
        """The same for the library."""
        return Address(self.host, self.port, self.user, self.password, self.name, driver=driver)

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection in autocommit."""
        with psycopg.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=self.name,
            autocommit=True,
        ) as connection:
            yield connection

    def query(self, statement: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self.connect() as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def value(self, statement: LiteralString, *values: object) -> Any:
        """The one value of a query."""
        [(value,)] = self.query(statement, *values)
        return value

    @contextmanager
    def another(self, name: str, template: str = "template1") -> Iterator[Self]:
        """A new database on the same server: empty, or a copy of another."""
        with self.connect() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        try:
            yield replace(self, name=name)
        finally:
            with self.connect() as connection:
                connection.execute(
                    sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
                )
