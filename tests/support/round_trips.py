"""Changes of models that have to go up, down and up again, each from tables that SQL has made."""

from dataclasses import dataclass

HEAD = """
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

m = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
I, T = sa.Integer, sa.Text
C = sa.Column
"""


@dataclass(frozen=True)
class Trip:
    """A change: SQL before it, the models after it, and what `-x` says."""

    before: str
    models: str
    x: tuple[str, ...] = ()
    rebuilds: bool = False  # whether a relation may get another file
    contains: tuple[str, ...] = ()  # in the revisions
    lacks: tuple[str, ...] = ()
