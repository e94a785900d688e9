"""Changes that delete data. Autogenerate writes them only with the user's permission."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from alembic import context
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError

from alembic_live.autogenerate.enum_renames import EnumRename
from alembic_live.autogenerate.enum_replacement import ReplaceEnum
from alembic_live.autogenerate.renames import AnyRename, possible_renames, rename
from alembic_live.autogenerate.rendering import Comment, display_name
from alembic_live.sql.quoting import word
from alembic_live.terminal import is_on_a_terminal, says_yes

log = logging.getLogger("alembic.autogenerate")


@dataclass(slots=True)
class Permissions:
    """What the user permits with `-x`."""

    renames: set[str] = field(default_factory=set)  # `table.column:new_name`, `enum.value:new`
    drops: set[str] = field(default_factory=set)  # `table.column`; an empty string: everything

    @classmethod
    def from_command_line(cls) -> Self:
        """The permissions in the `-x` arguments."""
        permissions = cls()
        for argument in context.get_x_argument():
            name, _, value = argument.partition("=")
            if name == "rename":
                permissions.renames.update(value.split(","))
            elif name == "allow-drop":
                permissions.drops.update(value.split(","))
        return permissions

    def allow_drop(self, name: str) -> bool:
        """Whether autogenerate can drop a table, a column or an enum value."""
        return name in self.drops or "" in self.drops


@dataclass(frozen=True, slots=True)
class DestructiveChange:
    """A change that deletes data."""

    name: str  # as in `-x allow-drop=`
    text: str


def confirm_destructive_changes(
    migration: MigrationContext, script: ops.MigrationScript
) -> list[ops.MigrateOperation]:
    """Check that the user permits every change that deletes data. On a terminal, ask.

    Returns:
        The operations that rename tables and columns. The operations that remain in the script run
        after them.

    Raises:
        CommandError: a change is not permitted; the text says how to permit it.
    """
    assert script.upgrade_ops is not None
    permissions = Permissions.from_command_line()
    possible = list(possible_renames(script.upgrade_ops))
    unknown = permissions.renames - {str(each) for each, _ in possible}
    if unknown:
        raise CommandError(
            f"-x rename={','.join(sorted(unknown))}: the models and the database have no such "
            "difference. Write table.column:new_name, table:new_name, enum:new_name or "
            "enum.value:new_value. The old name must be in "
            "the database only, the new name in the models only."
        )
    chosen = [each for each, _ in possible if str(each) in permissions.renames]
    likely = [each for each, is_likely in possible if is_likely]
    # Without cmd_opts a program calls Alembic, and no person answers.
    ask = context.config.cmd_opts is not None and is_on_a_terminal()
    if ask:
        chosen += _ask_for_renames(permissions, likely, chosen)
    renaming = rename(migration, script, chosen) if chosen else []
    changes = [
        change
        for change in _destructive_changes(script.upgrade_ops)
        if not permissions.allow_drop(change.name)
    ]
    if ask:
        changes = [change for change in changes if not says_yes(f"{change.text} Drop it?")]
    for each in likely:
        if isinstance(each, EnumRename) and each not in chosen:
            log.warning(
                "Enum %s is dropped, and %s is new with the same values: their columns are rewritten. "
                "If you renamed it: -x %s keeps every row as it is.",
                each.old,
                display_name(each.new_schema, each.new),
                word(f"rename={each}"),
            )
    if changes:
        raise CommandError(_refusal(changes, likely))
    _add_deployment_comments(script.upgrade_ops)
    return renaming


def _destructive_changes(upgrade: ops.UpgradeOps) -> Iterator[DestructiveChange]:
    for item in upgrade.ops:
        if isinstance(item, ops.DropTableOp):
            name = display_name(item.schema, item.table_name)
            yield DestructiveChange(name, f"Table {name} would be dropped, with its rows.")
        elif isinstance(item, ops.ModifyTableOps):
            for change in item.ops:
                if isinstance(change, ops.DropColumnOp):
                    name = display_name(item.schema, item.table_name, change.column_name)
                    yield DestructiveChange(
                        name, f"Column {name} would be dropped, with its values."
                    )
        elif isinstance(item, ReplaceEnum):
            for value in item.old:
                if value not in item.new:
                    name = display_name(item.name, value)
                    yield DestructiveChange(
                        name,
                        f"Value {display_name(value)} of enum {display_name(item.name)} would be "
                        "removed. That rewrites every table that uses the enum, and fails if a row "
                        "has the value. Keep the value in the model, at least until no row has it.",
                    )


def _refusal(changes: list[DestructiveChange], likely: list[AnyRename]) -> str:
    hints = []
    for change in changes:
        options = [f"-x {word(f'rename={each}')}" for each in likely if each.old == change.name]
        if options:
            hints.append(f"{change.text} If you renamed it: {' or '.join(options)}.")
        else:
            hints.append(change.text)
    drop = word(f"allow-drop={','.join(change.name for change in changes)}")
    return (
        f"No revision was written. {' '.join(hints)} To drop: -x {drop} (or -x allow-drop for "
        "everything). Put it before the command: alembic -x … revision --autogenerate."
    )


def _add_deployment_comments(upgrade: ops.UpgradeOps) -> None:
    """Above each drop, say what it means for running versions of the service."""
    text = (
        "First deploy code that does not use {}. From this revision on, a version that uses it "
        "fails, and a downgrade does not restore the data."
    )
    for position, item in reversed(list(enumerate(upgrade.ops))):
        if isinstance(item, ops.DropTableOp):
            upgrade.ops.insert(position, Comment(text.format(f"table {item.table_name}")))
        elif isinstance(item, ops.ModifyTableOps):
            for place, change in reversed(list(enumerate(item.ops))):
                if isinstance(change, ops.DropColumnOp):
                    name = f"{item.table_name}.{change.column_name}"
                    item.ops.insert(place, Comment(text.format(name)))


def _ask_for_renames(
    permissions: Permissions, likely: list[AnyRename], chosen: list[AnyRename]
) -> list[AnyRename]:
    """The likely renames that the user confirms."""
    confirmed: list[AnyRename] = []
    for each in likely:
        taken = [(other.old, other.new) for other in (*chosen, *confirmed)]
        is_settled = permissions.allow_drop(each.old) or any(
            each.old == old or each.new == new for old, new in taken
        )
        if not is_settled and says_yes(f"{each.old} is gone, {each.new} is new. Was it renamed?"):
            confirmed.append(each)
    return confirmed
