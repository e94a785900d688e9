"""The env.py from before the library."""

import os

from alembic import context
from sqlalchemy import create_engine

engine = create_engine(os.environ["STORE_DATABASE"])
with engine.connect() as connection:
    context.configure(connection=connection, version_table="store_history")
    with context.begin_transaction():
        context.run_migrations()
