"""Takes each situation up, down and up again, on rows and during traffic, in several projects."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from alembic_live.postgres.dump import Schema, comparable, differences, read_schema
from contestants import Contestant
from schema_changes import FailedError, during_traffic, run
from server import Database
from situations import HEAD, SITUATIONS, Situation

FURTHER = "further"  # the revision with the SQL of a situation

TRAFFIC = (
    "SELECT id, touched FROM things WHERE id = 7",
    "SELECT count(*) FROM things",
    "UPDATE things SET touched = touched + 1 WHERE id = 1 + (random() * 9999)::int",
)


class RefusedError(Exception):
    """No revision was written, and a sentence says why."""


@dataclass(frozen=True)
class Traveller:
    """A project that takes the trips."""

    contestant: Contestant
    confirms: bool = True  # it knows `-x rename=` and `-x allow-drop=`
    tests: bool = False  # its own tests of the migrations run too
    driver: str = "asyncpg"

    def on(self, database: Database) -> Contestant:
        """The project on another database. A bare one has its URL in alembic.ini."""
        given = self.contestant
        ini = given.folder / "alembic.ini"
        ini.write_text(
            re.sub(
                r"^(sqlalchemy.url = .*/)[^/%\n]+$",
                rf"\g<1>{database.name}",
                ini.read_text(),
                flags=re.MULTILINE,
            )
        )
        environment = given.environment | database.environment | {"DB_DRIVER_ASYNC": self.driver}
        return Contestant(
            given.folder, given.programs, given.models, given.base, database, environment
        )


def trips(
    travellers: Mapping[str, Traveller], server: Database, names: Sequence[str] = ()
) -> Iterator[str]:
    """A row of a table for each situation."""
    yield f"| Situation | {' | '.join(travellers)} |"
    yield f"| --- |{' --- |' * len(travellers)}"
    failures = dict.fromkeys(travellers, 0)
    for traveller in travellers.values():
        shutil.copytree(
            traveller.contestant.folder / "migrations",
            traveller.contestant.folder / "migrations-at-first",
            dirs_exist_ok=True,
        )
    for name, situation in SITUATIONS.items():
        if names and not name.startswith(tuple(names)):
            continue
        cells = []
        for who, traveller in travellers.items():
            try:
                cells.append(_trip(traveller, server, situation))
            except RefusedError as refusal:
                cells.append(str(refusal))
            except FailedError as failure:
                failures[who] += 1
                cells.append(str(failure))
        yield f"| {name} | {' | '.join(cells)} |"
    total = ", ".join(f"{who} {count}" for who, count in failures.items())
    yield f"failed, of {len(SITUATIONS)}: {total}"


def _trip(traveller: Traveller, server: Database, situation: Situation) -> str:
    """The longest waits up and down."""
    with server.another("trip") as database:
        there = traveller.on(database)
        _begin(there, situation)
        before = _schema(database)
        _write(there, situation.after)
        x = [word for each in situation.x for word in ("-x", each)] if traveller.confirms else []
        try:
            run(there, *x, "revision", "--autogenerate", "-m", "change")
        except FailedError as failure:
            if "FAILED: " in str(failure) and not _written(there):
                reason = str(failure).replace("`revision` fails: FAILED", "refused")
                raise RefusedError(reason) from None
            raise
        traffic = partial(during_traffic, there, database, statements=TRAFFIC)
        up = traffic("upgrade", "head")
        after = _schema(database)
        if after == before:
            raise FailedError("the change is not seen")
        run(there, "check")
        down = traffic("downgrade", FURTHER if situation.more else "first")
        _compare(before, database, "`downgrade`")
        run(there, "upgrade", "head")
        _compare(after, database, "the second `upgrade`")
        if traveller.tests:
            (there.folder / "tests" / "values.toml").write_text(situation.values)
            _test(there)
        return f"{up}, {down}"


def _written(there: Contestant) -> bool:
    return any((there.folder / "migrations" / "versions").glob("*change*.py"))


def _begin(there: Contestant, situation: Situation) -> None:
    """The models, their tables and rows from before the change."""
    migrations = there.folder / "migrations"
    shutil.rmtree(migrations)
    shutil.copytree(there.folder / "migrations-at-first", migrations)
    _write(there, situation.before)
    try:
        run(there, "revision", "--autogenerate", "-m", "first", "--rev-id", "first")
        run(there, "upgrade", "head")
    except FailedError as failure:
        raise FailedError(f"the first revision: {failure}") from None
    with there.database.connect() as connection:
        connection.execute(situation.rows.encode())
    if situation.more:
        run(there, "revision", "-m", "more", "--rev-id", FURTHER)
        [path] = migrations.glob(f"versions/*{FURTHER}*.py")
        up, down = (
            "\n    ".join(f"op.execute({each!r})" for each in statements)
            for statements in (situation.more, situation.less)
        )
        path.write_text(
            f"from alembic import op\n\nrevision = {FURTHER!r}\ndown_revision = 'first'\n\n\n"
            f"def upgrade():\n    {up}\n\n\ndef downgrade():\n    {down}\n"
        )
        run(there, "upgrade", "head")


def _write(there: Contestant, models: str) -> None:
    (there.models / "models.py").write_text((HEAD + models).replace("{base}", there.base))


def _schema(database: Database) -> Schema:
    return comparable(read_schema(database.address(), "--no-privileges"))


def _compare(before: Schema, database: Database, after: str) -> None:
    found = [str(each) for each in differences(before, _schema(database), "before", "after")]
    if found:
        raise FailedError(f"{after} leaves another schema: {_cell(found[0])}")


def _test(there: Contestant) -> None:
    done = subprocess.run(
        (there.programs / "pytest", "--quiet", "tests/test_migrations.py"),
        cwd=there.folder,
        env=there.environment,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        raise FailedError(f"a test fails: {_cell(' '.join(lines) or done.stdout[-200:])}")


def _cell(text: str) -> str:
    return " ".join(text.split())[:160].replace("|", "/")
