"""The commands of `db` that Alembic lacks."""
