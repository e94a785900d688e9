"""Changes that delete data. Autogenerate writes them only with the user's permission."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from alembic import context
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError

from alembic_live.autogenerate.arguments import means, split, written
from alembic_live.autogenerate.enum_renames import EnumRename
from alembic_live.autogenerate.enum_replacement import ReplaceEnum
from alembic_live.autogenerate.renames import (
    AnyRename,
    Rename,
    Renaming,
    possible_renames,
    rename,
    requested_renames,
)
from alembic_live.autogenerate.rendering import Comment, allowing, display_name
from alembic_live.sql.quoting import word
from alembic_live.terminal import is_on_a_terminal, says_yes

log = logging.getLogger("alembic.autogenerate")

REASON = "confirmed as a drop"  # for `db lint`


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
                permissions.renames.update(split(value, ","))
            elif name == "allow-drop":
                permissions.drops.update(split(value, ","))
        return permissions

    def allow_drop(self, change: "DestructiveChange") -> bool:
        """Whether autogenerate can drop a table, a column or an enum value."""
        return "" in self.drops or any(change.is_called(text) for text in self.drops)

    def require_changes(self, migration: MigrationContext, upgrade: ops.UpgradeOps) -> None:
        """Check that each permission is about a difference.

        Raises:
            CommandError: one is not; the text says what there is.
        """
        possible = [each for each, _ in possible_renames(upgrade)]
        renames = requested_renames(self.renames, migration, possible)
        if renames:
            return  # they change what is dropped: `confirm_destructive_changes` checks again
        self.require_drops(list(destructive_changes(migration, upgrade)))

    def require_drops(self, changes: "list[DestructiveChange]") -> None:
        """Check that each permission to drop is about a change.

        Raises:
            CommandError: one is not; the text says what there is.
        """
        unknown = {
            text for text in self.drops if text and not any(one.is_called(text) for one in changes)
        }
        if unknown:
            names = [f"-x {word(f'allow-drop={change.name}')}" for change in changes]
            raise CommandError(
                f"-x allow-drop={','.join(sorted(unknown))}: nothing of that name would be dropped. "
                + (f"Possible are: {' or '.join(names)}." if names else "Nothing would be.")
            )


@dataclass(frozen=True, slots=True)
class DestructiveChange:
    """A change that deletes data."""

    names: tuple[str | None, ...]  # the schema or None, the table, the column; or an enum's value
    text: str
    default_schema: str | None = None
    effect: str = ""  # what else it means, once for all changes of a kind

    @property
    def name(self) -> str:
        """The name as in `-x allow-drop=`."""
        return written(*self.names)

    def is_called(self, text: str) -> bool:
        """Whether a text in `-x allow-drop=` means it."""
        return means(text, self.names, self.default_schema)


def confirm_destructive_changes(
    migration: MigrationContext, script: ops.MigrationScript, permissions: Permissions
) -> Renaming:
    """Check that the user permits every change that deletes data. On a terminal, ask.

    Returns:
        What renames tables and columns. The operations that remain in the script run after it.

    Raises:
        CommandError: a change is not permitted; the text says how to permit it.
    """
    assert script.upgrade_ops is not None
    possible = list(possible_renames(script.upgrade_ops))
    likely = [each for each, is_likely in possible if is_likely]
    chosen = requested_renames(permissions.renames, migration, [each for each, _ in possible])
    # Without cmd_opts a program calls Alembic, and no person answers.
    ask = context.config.cmd_opts is not None and is_on_a_terminal()
    if ask:
        default = migration.dialect.default_schema_name
        chosen += _ask_for_renames(permissions, likely, chosen, default)
    renaming = rename(migration, script, chosen)
    changes = list(destructive_changes(migration, script.upgrade_ops))
    permissions.require_drops(changes)
    likely = [each for each, is_likely in possible_renames(script.upgrade_ops) if is_likely]
    changes = [change for change in changes if not permissions.allow_drop(change)]
    if ask:
        changes = [change for change in changes if not says_yes(_question(change))]
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
    return renaming


def destructive_changes(
    migration: MigrationContext, upgrade: ops.UpgradeOps
) -> Iterator[DestructiveChange]:
    """The changes of an upgrade that delete data."""
    default = migration.dialect.default_schema_name
    for item in upgrade.ops:
        if isinstance(item, ops.DropTableOp):
            names = (item.schema, item.table_name)
            text = f"Table {display_name(*names)} would be dropped, with its rows."
            yield DestructiveChange(names, text, default)
        elif isinstance(item, ops.ModifyTableOps):
            for change in item.ops:
                if isinstance(change, ops.DropColumnOp):
                    column = (item.schema, item.table_name, change.column_name)
                    text = f"Column {display_name(*column)} would be dropped, with its values."
                    yield DestructiveChange(column, text, default)
        elif isinstance(item, ReplaceEnum):
            for value in item.old:
                if value not in item.new:
                    yield DestructiveChange(
                        (item.name, value),
                        f"Value {display_name(value)} of enum {display_name(item.name)} would be "
                        "removed.",
                        effect="That rewrites every table that uses the enum, and fails if a row "
                        "has the value. Keep the value in the model, at least until no row has it.",
                    )


def _question(change: DestructiveChange) -> str:
    return " ".join(filter(None, (change.text, change.effect, "Drop it?")))


def _refusal(changes: list[DestructiveChange], likely: list[AnyRename]) -> str:
    hints = []
    for change in changes:
        options = [f"-x {word(f'rename={each}')}" for each in likely if each.old == change.name]
        if options:
            hints.append(f"{change.text} If you renamed it: {' or '.join(options)}.")
        else:
            hints.append(change.text)
    hints += dict.fromkeys(change.effect for change in changes if change.effect)
    drop = word(f"allow-drop={','.join(change.name for change in changes)}")
    return (
        f"No revision was written. {' '.join(hints)} To drop: -x {drop} (or -x allow-drop for "
        "everything). Put it before the command: alembic -x … revision --autogenerate."
    )


def add_deployment_comments(upgrade: ops.UpgradeOps) -> None:
    """Above each drop, say what it means for running versions of the service."""
    text = (
        "First deploy code that does not use {}. From this revision on, a version that uses it "
        "fails, and a downgrade does not restore the data."
    )
    for position, item in reversed(list(enumerate(upgrade.ops))):
        if isinstance(item, ops.DropTableOp):
            caution = Comment(text.format(f"table {item.table_name}"))
            allowed = Comment(allowing(f"ban-drop-table: {REASON}"))
            upgrade.ops[position:position] = [caution, allowed]
        elif isinstance(item, ops.ModifyTableOps):
            for place, change in reversed(list(enumerate(item.ops))):
                if isinstance(change, ops.DropColumnOp):
                    name = f"{item.table_name}.{change.column_name}"
                    allowed = Comment(allowing(f"ban-drop-column: {REASON}"))
                    item.ops[place:place] = [Comment(text.format(name)), allowed]


def _ask_for_renames(
    permissions: Permissions,
    likely: list[AnyRename],
    chosen: list[AnyRename],
    default_schema: str | None,
) -> list[AnyRename]:
    """The likely renames that the user confirms."""
    confirmed: list[AnyRename] = []
    for each in likely:
        taken = [(other.old, other.new) for other in (*chosen, *confirmed)]
        names: tuple[str | None, ...] = (each.old,)
        if isinstance(each, Rename):
            names = (each.schema, each.table, each.column)
        drop = DestructiveChange(names, "", default_schema)
        is_settled = permissions.allow_drop(drop) or any(
            each.old == old or each.new == new for old, new in taken
        )
        if not is_settled and says_yes(f"{each.old} is gone, {each.new} is new. Was it renamed?"):
            confirmed.append(each)
    return confirmed
