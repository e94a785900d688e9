"""The tests of the migrations, from alembic-live."""

from alembic_live.testing.gates import *  # noqa: F403
