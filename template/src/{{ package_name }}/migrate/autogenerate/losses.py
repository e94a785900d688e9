"""Nothing is lost by accident: what autogenerate drops, it drops only when a person says so."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from alembic import context
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from alembic_postgresql_enum.operations.sync_enum_values import SyncEnumValuesOp

from ..operations.outside import literal
from ..quoting import word
from ..terminal import is_on_a_terminal, says_yes
from .lines import Comment
from .renames import POSTGRESQL, Rename, possible_renames, rename, shown


@dataclass(slots=True)
class Word:
    """What the person has said with `-x`, or at the prompt."""

    renames: set[str] = field(default_factory=set)  # `table.column:new`
    drops: set[str] = field(default_factory=set)  # `table.column`; empty: of everything

    @classmethod
    def given(cls) -> Self:
        """That of the command line."""
        word = cls()
        for argument in context.get_x_argument():
            name, _, value = argument.partition("=")
            if name == "rename":
                word.renames.update(value.split(","))
            elif name == "allow-drop":
                word.drops.update(value.split(","))
        return word

    def allows(self, name: str) -> bool:
        """Whether something may be dropped."""
        return name in self.drops or "" in self.drops


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that a script drops."""

    name: str  # as `-x allow-drop=` takes it
    text: str


def settle(migration: MigrationContext, script: ops.MigrationScript) -> list[ops.MigrateOperation]:
    """See that nothing is dropped that nobody wants dropped. On a terminal the person is asked.
    Returns what renames the things that were renamed; what is left in the script comes after that.

    Raises:
        CommandError: nobody has said that it may be dropped; the text tells how to.
    """
    assert script.upgrade_ops is not None
    given = Word.given()
    possible = list(possible_renames(script.upgrade_ops))
    unknown = given.renames - {str(each) for each, _ in possible}
    if unknown:
        raise CommandError(
            f"-x rename={','.join(sorted(unknown))}: the models do not differ from the database "
            "in that way. It is written table.column:new_name or table:new_name, where the old "
            "one is in the database only and the new one in the models only."
        )
    chosen = [each for each, _ in possible if str(each) in given.renames]
    likely = [each for each, is_likely in possible if is_likely]
    ask = context.config.cmd_opts is not None and is_on_a_terminal()  # Alembic is the program
    if ask:
        chosen += _ask_for_renames(given, likely, chosen)
    renaming = rename(migration, script, chosen) if chosen else []
    losses = [loss for loss in _losses(script.upgrade_ops) if not given.allows(loss.name)]
    if ask:
        losses = [loss for loss in losses if not says_yes(f"{loss.text} Drop it?")]
    if losses:
        raise CommandError(_refusal(losses, likely))
    _warn_readers(script.upgrade_ops)
    return renaming


def _losses(upgrade: ops.UpgradeOps) -> Iterator[Loss]:
    for item in upgrade.ops:
        if isinstance(item, ops.DropTableOp):
            name = shown(item.schema, item.table_name)
            yield Loss(name, f"Table {name} would be dropped, with its rows.")
        elif isinstance(item, ops.ModifyTableOps):
            for change in item.ops:
                if isinstance(change, ops.DropColumnOp):
                    name = shown(item.schema, item.table_name, change.column_name)
                    yield Loss(name, f"Column {name} would be dropped, with its values.")
        elif isinstance(item, SyncEnumValuesOp):
            for value in sorted(set(item.old_values) - set(item.new_values)):
                name = shown(item.name, value)
                type_ = POSTGRESQL.identifier_preparer.quote(item.name)
                renaming = f"ALTER TYPE {type_} RENAME VALUE {literal(value)} TO '…'"
                yield Loss(
                    name,
                    f"Value {shown(value)} of enum {shown(item.name)} would be removed, which writes "
                    "every table that uses the enum anew and fails where a row has the value. Rather "
                    "leave it in the model until no row has it, or for ever. If it was renamed, write "
                    f"a revision with op.execute({renaming!r}).",
                )


def _refusal(losses: list[Loss], likely: list[Rename]) -> str:
    hints = []
    for loss in losses:
        ways = [f"-x {word(f'rename={each}')}" for each in likely if each.old == loss.name]
        if ways:
            hints.append(f"{loss.text} If it was renamed: {' or '.join(ways)}.")
        else:
            hints.append(loss.text)
    drop = word(f"allow-drop={','.join(loss.name for loss in losses)}")
    return (
        f"No revision was written. {' '.join(hints)} To drop: -x {drop} (or -x "
        "allow-drop for whatever there is). Put it before the command: alembic -x … revision "
        "--autogenerate."
    )


def _warn_readers(upgrade: ops.UpgradeOps) -> None:
    """Write above each drop what it means for the versions of the service that still run."""
    caution = (
        "Deploy code that does without {} first: a version that still uses it fails from here on, "
        "and going back brings back no values."
    )
    for position, item in reversed(list(enumerate(upgrade.ops))):
        if isinstance(item, ops.DropTableOp):
            upgrade.ops.insert(position, Comment(caution.format(f"table {item.table_name}")))
        elif isinstance(item, ops.ModifyTableOps):
            for place, change in reversed(list(enumerate(item.ops))):
                if isinstance(change, ops.DropColumnOp):
                    name = f"{item.table_name}.{change.column_name}"
                    item.ops.insert(place, Comment(caution.format(name)))


def _ask_for_renames(given: Word, likely: list[Rename], chosen: list[Rename]) -> list[Rename]:
    """Those of the likely ones that the person confirms."""
    confirmed: list[Rename] = []
    for each in likely:
        taken = [(other.old, other.new) for other in (*chosen, *confirmed)]
        settled = given.allows(each.old) or any(
            each.old == old or each.new == new for old, new in taken
        )
        if not settled and says_yes(f"{each.old} is gone, {each.new} is new. Was it renamed?"):
            confirmed.append(each)
    return confirmed
