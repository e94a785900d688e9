"""Every kind of change amid traffic, as autogenerate writes it: the longest wait of a reader or writer,
and whether the revision works at all.
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from changes import CHANGES, ROWS, Change, models
from contestants import Contestant
from lock_waits import STATEMENTS, lock_waits
from server import Database

ROW_COUNT = 100_000
PATIENCE = 60  # seconds for one command
SAID = " \\*"  # the command says beforehand that others have to wait


class FailedError(Exception):
    """A command failed; the text is its last line."""


def schema_changes(mine: Contestant, other: Contestant, server: Database) -> Iterator[str]:
    """A row of a table for each change."""
    yield "| Change | Here: up | back | `alembic init`: up | back | and then |"
    yield "| --- | ---: | ---: | ---: | ---: | --- |"
    for contestant in (mine, other):
        (contestant.models / "models.py").write_text(models(contestant.base))
        contestant.alembic("revision", "--autogenerate", "-m", "first")
        contestant.alembic("upgrade", "head")
        with contestant.database.connect() as connection:
            connection.execute((ROWS % ROW_COUNT).encode())
    failures = {"ours": 0, "theirs": 0}
    for name, change in CHANGES.items():
        ours = _measure(mine, server, change, words=True)
        theirs = _measure(other, server, change, words=False)
        failures["ours"] += bool(ours[2])
        failures["theirs"] += bool(theirs[2])
        up = ours[0] + SAID * change.shuts_out
        back = ours[1] + SAID * change.shuts_out_on_the_way_back
        yield f"| {name} | {up} | {back} | {theirs[0]} | {theirs[1]} | {theirs[2]}{ours[2]} |"
    yield f"not seen or failed: ours {failures['ours']}, bare {failures['theirs']} of {len(CHANGES)}"


def _measure(
    contestant: Contestant, server: Database, change: Change, *, words: bool
) -> tuple[str, str, str]:
    """The longest waits up and back, and what went wrong."""
    with server.another("change", template=contestant.database.name) as database:
        there = _led_to(contestant, database)
        (there.models / "models.py").write_text(change.models(there.base))
        up = back = "–"
        try:
            said = [word for each in change.words for word in ("-x", each)] if words else []
            run(there, *said, "revision", "--autogenerate", "-m", "change")
            if not _does_something(there):
                return "–", "–", "the change is not seen"
            up = during_traffic(there, database, "upgrade", "head")
            run(there, "check")
            back = during_traffic(there, database, "downgrade", _first(there))
            run(there, "upgrade", "head")
            return up, back, ""
        except FailedError as failure:
            return up, back, str(failure)
        finally:
            for path in _versions(there).glob("*_change*.py"):
                path.unlink()


def during_traffic(
    contestant: Contestant,
    database: Database,
    *command: str,
    statements: Sequence[str] = STATEMENTS,
) -> str:
    """Run a command of Alembic while others read and write; returns their longest wait.

    Raises:
        FailedError: the command failed.
    """
    with lock_waits(database, statements) as waits:
        run(contestant, *command)
    longest = max(waits, default=0)
    return f"{longest:.0f} ms" if longest else "< 20 ms"


def run(contestant: Contestant, *command: str) -> None:
    """Run a command of Alembic.

    Raises:
        FailedError: it failed, or hangs.
    """
    process = contestant.begin(*command)
    try:
        said, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise FailedError(f"`{command[0]}` hangs") from None
    if process.returncode:
        words = [line for line in said.splitlines() if line.strip()]
        reason = next((line for line in words if "Error" in line or "FAILED" in line), words[-1])
        name = next(
            word for word in command if word in ("revision", "upgrade", "check", "downgrade")
        )
        raise FailedError(f"`{name}` fails: {reason[:100].strip().replace('|', '/')}")


def _led_to(contestant: Contestant, database: Database) -> Contestant:
    """The same project on another database; a bare one has its URL in alembic.ini."""
    configuration = contestant.folder / "alembic.ini"
    text = configuration.read_text()
    configuration.write_text(
        re.sub(r"^(sqlalchemy.url = .*/)[^/%\n]+$", rf"\1{database.name}", text, flags=re.MULTILINE)
    )
    return replace(
        contestant,
        database=database,
        environment=contestant.environment | database.environment,
    )


def _does_something(contestant: Contestant) -> bool:
    """Whether a revision was written in which there is anything."""
    return any(
        "op." in path.read_text().split("def upgrade")[1]
        or "_concurrently(" in path.read_text()
        or "add_enum_value(" in path.read_text()
        for path in _versions(contestant).glob("*_change*.py")
    )


def _first(contestant: Contestant) -> str:
    [path] = _versions(contestant).glob("*_first.py")
    return next(
        line.split('"')[1] if '"' in line else line.split("'")[1]
        for line in path.read_text().splitlines()
        if line.startswith("revision")
    )


def _versions(contestant: Contestant) -> Path:
    return contestant.folder / "migrations" / "versions"
