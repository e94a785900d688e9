"""Native enums in autogenerate, by alembic-postgresql-enum.

Values that are added are rendered in `concurrently`: the library (1.11.0) puts one that belongs
before another behind it, and does not escape quotation marks.
"""

from collections.abc import Iterator, Sequence

import alembic_postgresql_enum

# `op` gains operations on enums at run time, which mypy cannot know.
alembic_postgresql_enum.set_configuration(alembic_postgresql_enum.Config(add_type_ignore=True))


def added_values(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Each value of `new` that `old` lacks, with the one that it stands before when it is added."""
    present = set(old)
    for position, value in enumerate(new):
        if value not in present:
            yield value, next((later for later in new[position:] if later in present), None)
            present.add(value)
