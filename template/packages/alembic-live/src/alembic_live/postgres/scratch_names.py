"""The names of scratch databases, from which other processes see when and where they were created."""

import re

INFIX = "_scratch_"
# Time, machine, process, and a random number; without the prefix.
NAME = re.compile(r"([0-9a-f]{8})_([0-9a-f]{8})_(\d+)_[0-9a-f]+")


def is_scratch(database: str) -> bool:
    """Whether a database is a scratch database, by its name."""
    return bool(NAME.fullmatch(database.rpartition(INFIX)[2])) and INFIX in database
