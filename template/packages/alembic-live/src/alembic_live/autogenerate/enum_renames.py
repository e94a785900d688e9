"""Renamed enums and values. Postgres renames both without touching a row."""

from collections.abc import Iterator
from dataclasses import dataclass

from alembic.operations import ops

from alembic_live.autogenerate.arguments import written
from alembic_live.autogenerate.enum_replacement import ReplaceEnum
from alembic_live.autogenerate.enums import CreateEnum, DropEnum
from alembic_live.autogenerate.rendering import Line, sql_name
from alembic_live.postgres.schemas import schema_name
from alembic_live.sql.quoting import literal

REASON = "confirmed as a rename"  # for `db lint`


@dataclass(frozen=True, slots=True)
class EnumRename:
    """An enum that has a new name in the models, or another schema."""

    schema: str | None
    name: str
    new_schema: str | None
    new: str

    def __str__(self) -> str:
        """As in `-x rename=`."""
        return f"{self.old}:{written(self.new_schema, self.new)}"

    @property
    def old(self) -> str:
        """The name in the database."""
        return written(self.schema, self.name)

    def changes(self) -> Iterator[tuple[str, str]]:
        """The statements, each with the one that reverses it."""
        head = f"ALTER TYPE {sql_name(self.schema, self.name)}"
        if self.schema != self.new_schema:
            old, new = (sql_name(schema_name(each)) for each in (self.schema, self.new_schema))
            moved = sql_name(schema_name(self.new_schema), self.name)
            yield f"{head} SET SCHEMA {new}", f"ALTER TYPE {moved} SET SCHEMA {old}"
            head = f"ALTER TYPE {moved}"
        if self.name != self.new:
            renamed = sql_name(self.new_schema, self.new)
            yield (
                f"{head} RENAME TO {sql_name(self.new)}",
                f"ALTER TYPE {renamed} RENAME TO {sql_name(self.name)}",
            )


@dataclass(frozen=True, slots=True)
class ValueRename:
    """A value of an enum that has a new name in the models."""

    schema: str | None
    enum: str
    value: str
    new: str

    def __str__(self) -> str:
        """As in `-x rename=`."""
        return f"{self.old}:{written(self.new)}"

    @property
    def old(self) -> str:
        """The name in the database, as in `-x allow-drop=`."""
        return written(self.enum, self.value)

    def changes(self) -> Iterator[tuple[str, str]]:
        """The statement, with the one that reverses it."""
        head = f"ALTER TYPE {sql_name(self.schema, self.enum)} RENAME VALUE"
        old, new = literal(self.value), literal(self.new)
        yield f"{head} {old} TO {new}", f"{head} {new} TO {old}"


def possible_enum_renames(
    upgrade: ops.UpgradeOps,
) -> Iterator[tuple[EnumRename | ValueRename, bool]]:
    """Every possible rename, and whether it is likely: an enum with the same values, or a value in
    the same place.
    """
    created = [item for item in upgrade.ops if isinstance(item, CreateEnum)]
    for item in upgrade.ops:
        if isinstance(item, DropEnum):
            for other in created:
                possible = EnumRename(item.schema, item.name, other.schema, other.name)
                yield possible, item.labels == other.labels
        elif isinstance(item, ReplaceEnum):
            for place, value in enumerate(item.old):
                if value not in item.new:
                    for new_place, new in enumerate(item.new):
                        if new not in item.old:
                            yield (
                                ValueRename(item.schema, item.name, value, new),
                                place == new_place and len(item.old) == len(item.new),
                            )


def lines_of(each: EnumRename | ValueRename) -> Iterator[Line]:
    """The lines of a revision."""
    for there, back in each.changes():
        rule = "ban-set-schema" if " SET SCHEMA " in there else "renaming-object"
        yield Line.of_sql(there, back, allows=f"{rule}: {REASON}")
