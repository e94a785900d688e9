from alembic_live.testing.gates import *  # noqa: F403
