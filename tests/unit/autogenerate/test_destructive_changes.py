"""What a refused change says."""

from typing import Any, cast

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic_live.autogenerate import destructive_changes
from alembic_live.autogenerate.enum_replacement import ReplaceEnum


def test_what_the_loss_of_several_values_means_is_said_once() -> None:
    """A model with a member renamed in all places, such as from lower to upper case."""
    change = ReplaceEnum(None, "mood", ["low", "mid", "high"], ["high"], cast(Any, None))
    migration = MigrationContext.configure(dialect_name="postgresql")
    changes = list(destructive_changes.destructive_changes(migration, ops.UpgradeOps([change])))
    text = destructive_changes._refusal(changes, [])
    assert (
        "Value low of enum mood would be removed. Value mid of enum mood would be removed." in text
    )
    assert text.count("That rewrites every table") == 1
