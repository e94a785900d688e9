"""Alembic's downgrade, of one revision and nothing beside it."""

from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationStep
from alembic.script import ScriptDirectory


def downgrade(config: Config, revision: str) -> None:
    """Take a revision back where it is the newest one that is applied; else do nothing. Alembic's
    own takes a target, below which there may be other branches.
    """
    script = ScriptDirectory.from_config(config)

    def steps(current: tuple[str, ...], _: Any) -> list[MigrationStep]:
        if revision not in current:
            return []
        return [
            MigrationStep.downgrade_from_script(script.revision_map, script.get_revision(revision))
        ]

    with EnvironmentContext(config, script, fn=steps, destination_rev=revision):
        script.run_env()
