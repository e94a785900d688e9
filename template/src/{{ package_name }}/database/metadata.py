"""The metadata that every table belongs to: the schema, and how constraints are named.

Named constraints are what makes a downgrade possible: it has to say what it drops.
https://alembic.sqlalchemy.org/en/latest/naming.html
"""

from sqlalchemy import MetaData

from .schema import SCHEMA

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    },
)
