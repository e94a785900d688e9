"""How old a revision is."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from alembic.script import Script

_UNITS = (("year", 365), ("month", 30), ("week", 7), ("day", 1))


def created_at(revision: Script) -> datetime | None:
    """The Create Date of its docstring; None where there is none that can be read."""
    found = re.search(r"^Create Date: (.+)$", revision.module.__doc__ or "", re.MULTILINE)
    with suppress(ValueError):
        date = datetime.fromisoformat(found[1].strip()) if found else None
        return date.replace(tzinfo=date.tzinfo or UTC) if date else None
    return None


def age(created: datetime, now: datetime | None = None) -> str:
    """`3 weeks ago`."""
    past = (now or datetime.now(UTC)) - created
    if past < timedelta(0):
        return f"on {created:%Y-%m-%d}"
    number, unit = next(
        ((past.days // days, unit) for unit, days in _UNITS if past.days >= days),
        (past.seconds // 3600, "hour"),
    )
    if number == 0:
        number, unit = past.seconds // 60, "minute"
    return f"{number} {unit}{'' if number == 1 else 's'} ago" if number else "just now"
