"""What the statements of a plan find: the database as it is, and what those before them make of it."""

from dataclasses import dataclass, field

from ...printable import one_line
from .statements import Name

# Functions in defaults, where there is no database to ask.
_VOLATILE = {
    "random",
    "gen_random_uuid",
    "uuidv4",
    "uuidv7",
    "clock_timestamp",
    "timeofday",
    "nextval",
}
_STABLE = {"now", "statement_timestamp", "transaction_timestamp", "timezone", "lower", "upper"}


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key that is there."""

    name: str
    table: Name
    columns: tuple[str, ...]
    referred: Name


@dataclass(slots=True)
class Table:
    """A table, with its indexes and partitions. Without a size, that is not known."""

    bytes: int | None = None
    rows: int | None = None
    is_new: bool = False  # made by the plan itself
    columns: dict[str, str] = field(default_factory=dict)  # their types
    added: set[str] = field(default_factory=set)  # columns that the plan has added


@dataclass(slots=True)
class World:
    """Tables by their names, and what belongs to them."""

    is_known: bool = False  # from a database
    default_schema: str = "public"
    visible: dict[str, str] = field(default_factory=dict)  # schemas of what the search path finds
    tables: dict[Name, Table] = field(default_factory=dict)
    indexes: dict[Name, Name] = field(default_factory=dict)  # whose table it is
    keys: list[ForeignKey] = field(default_factory=list)
    enums: dict[Name, list[str]] = field(default_factory=dict)
    functions: dict[str, bool] = field(default_factory=dict)  # whether it is volatile
    domains: set[str] = field(default_factory=set)

    def full_name(self, name: Name) -> Name:
        """With the schema."""
        schema = name.schema or self.visible.get(name.name, self.default_schema)
        return Name(schema, name.name)

    def shown(self, name: Name) -> str:
        """The name for people."""
        full = self.full_name(name)
        return one_line(full.name if full.schema == self.default_schema else str(full))

    def table(self, name: Name) -> Table:
        """The table of that name; where there is none, one that nothing is known of."""
        return self.tables.get(self.full_name(name)) or Table()

    def table_of_index(self, index: Name) -> Name | None:
        """The table that an index is of; None where that is not known."""
        if index.schema is None:
            return next((of for each, of in self.indexes.items() if each.name == index.name), None)
        return self.indexes.get(index)

    def keys_of(self, table: Name) -> list[ForeignKey]:
        """Those by which the table refers to others."""
        return [key for key in self.keys if key.table == self.full_name(table)]

    def keys_to(self, table: Name) -> list[ForeignKey]:
        """Those by which others refer to the table."""
        return [key for key in self.keys if key.referred == self.full_name(table)]

    def is_volatile(self, function: str) -> bool | None:
        """Whether it may give another value for each row; None where that is not known. What is no
        function (as `varchar(9)`) is not.
        """
        function = function.lower()
        if self.is_known or function in self.functions:
            return self.functions.get(function, False)
        return True if function in _VOLATILE else False if function in _STABLE else None
