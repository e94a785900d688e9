"""Types of columns that SQLAlchemy has no class for."""

from typing import Any

from sqlalchemy.types import UserDefinedType


class SqlType(UserDefinedType[Any]):
    """A type by its name in SQL, such as `SqlType("ltree")`. Autogenerate writes the types of
    extensions, and the classes of your code, in this form: what a revision creates does not depend
    on code that may change.
    """

    cache_ok = True

    def __init__(self, sql: str) -> None:
        """
        Args:
            sql: the type as Postgres writes it, with its arguments.
        """
        self.sql = sql

    def get_col_spec(self, **_kw: Any) -> str:
        """What SQLAlchemy writes into SQL."""
        return self.sql
