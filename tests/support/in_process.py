"""The small project, used by this very process."""

from collections.abc import Callable

from alembic_live import Project

InProcess = Callable[..., Project]
