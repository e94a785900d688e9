"""Native enums in autogenerate, by alembic-postgresql-enum.

Values that are added are rendered here: the library (1.11.0) puts one that belongs before another
behind it, and does not escape quotation marks.
"""

import alembic_postgresql_enum
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic_postgresql_enum.operations.add_enum_values import AddEnumValuesOp

# `op` gains operations on enums at run time, which mypy cannot know.
alembic_postgresql_enum.set_configuration(alembic_postgresql_enum.Config(add_type_ignore=True))


@renderers.dispatch_for(AddEnumValuesOp, replace=True)
def render_added_values(context: AutogenContext, op: AddEnumValuesOp) -> list[str]:
    """An ALTER TYPE for each new value, which puts it where the model has it."""
    assert context.dialect is not None
    quote = context.dialect.identifier_preparer.quote
    present = list(op.old_values)
    lines = []
    for position, value in enumerate(op.new_values):
        if value in present:
            continue
        statement = f"ALTER TYPE {quote(op.schema)}.{quote(op.name)} ADD VALUE {_literal(value)}"
        following = [later for later in op.new_values[position:] if later in present]
        if following:
            statement += f" BEFORE {_literal(following[0])}"
        lines.append(f"op.execute({statement!r})")
        present.append(value)
    return lines


def _literal(value: str) -> str:
    """The value as a literal of SQL. A colon would begin a parameter of op.execute."""
    return "'" + value.replace("'", "''").replace(":", r"\:") + "'"
