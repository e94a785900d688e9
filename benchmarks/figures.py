"""The figures: each function measures one kind and yields the lines that are printed."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

import isolation
from alternately import Measured, alternately, seconds
from concurrency import concurrency
from contestants import Contestant, bare, ours, rendered, replace_in
from deploys import EMPTY, campaigns, write_revisions
from estimates import ROW_COUNTS, estimated
from mistakes import mistakes
from project import ROOT, Project, run
from proxy import Proxy, proxy
from psycopg import sql
from reads import READ
from rows import rows as changed_rows
from schema_changes import schema_changes
from server import Database
from trips import Traveller, trips
from web import web as requests

OLD_RELEASE = "30556cf5c0cbccb286c847dde9e7497a33f543f9"  # 1.0.1, the last one before 2.0.0

# What is checked: tables, schemas, the aim for the ratio of the times.
CHECKS = (
    ("100 tables", 100, 0, 0.9),
    ("1,000 tables", 1000, 0, 0.7),
    ("ten schemas of 100 tables", 1000, 10, 0.7),
)


@dataclass(frozen=True)
class Bench:
    """What every figure is measured with."""

    folder: Path
    service: Project
    server: Database
    rounds: int

    @contextmanager
    def both(self, name: str) -> Iterator[tuple[Contestant, Contestant]]:
        """A rendered and a bare project, each on an empty database."""
        with (
            self.server.another(f"{name}_ours") as one,
            self.server.another(f"{name}_bare") as other,
        ):
            mine = ours(self.service, self.folder / f"{name}-ours", one)
            yield mine, bare(mine.programs, self.folder / f"{name}-bare", other)


def no_op(bench: Bench) -> Iterator[str]:
    """`upgrade head` and `current` where there is nothing to do, with 20 tables, 10 revisions."""
    with bench.both("no_op") as (mine, other):
        for contestant in (mine, other):
            contestant.migrate(tables=20, revisions=10)
        times = alternately(
            lambda: mine.alembic("upgrade", "head"),
            lambda: other.alembic("upgrade", "head"),
            bench.rounds,
        )
        yield _line("upgrade head, nothing to do", times, "bare", aim=0.9)
        times = alternately(
            lambda: mine.program("db", "migrate"),
            lambda: other.alembic("upgrade", "head"),
            bench.rounds,
        )
        yield _line("db migrate, nothing to do", times, "bare", aim=0.25)
        times = alternately(
            lambda: mine.alembic("current"), lambda: other.alembic("current"), bench.rounds
        )
        yield _line("current", times, "bare", aim=0.9)


def history(bench: Bench) -> Iterator[str]:
    """`upgrade head` of an empty database through 100 revisions."""
    with bench.both("history") as (mine, other):
        for contestant in (mine, other):
            write_revisions(contestant, 100)
        times = alternately(
            lambda: mine.alembic("upgrade", "head"),
            lambda: other.alembic("upgrade", "head"),
            bench.rounds,
            before=lambda: [each.database.query(EMPTY) for each in (mine, other)],
        )
        yield _line("upgrade head, 100 revisions", times, "bare", aim=1.1)


def check(bench: Bench) -> Iterator[str]:
    """`check` with 100 and 1,000 tables, and with ten schemas of 100 tables; and its round trips."""
    with proxy(bench.server.host, bench.server.port) as relay:
        for name, tables, schemas, aim in CHECKS:
            with bench.both(f"check_{tables}_{schemas}") as (mine, other):
                for contestant in (mine, other):
                    contestant.migrate(tables=tables, revisions=1, schemas=schemas)
                times = alternately(
                    lambda: mine.alembic("check"), lambda: other.alembic("check"), bench.rounds
                )
                yield _line(f"check, {name}", times, "bare", aim=aim)
                mine.environment["DB_PORT"] = str(relay.port)
                replace_in(
                    other.folder / "alembic.ini", f":{other.database.port}/", f":{relay.port}/"
                )
                here, there = (
                    _round_trips(relay, partial(each.alembic, "check")) for each in (mine, other)
                )
                yield f"{f'check, {name}':34}{here:5} RT   bare {there:5} RT"


def foreign(bench: Bench) -> Iterator[str]:
    """Autogenerate's comparison with 10 own tables in a schema, and 3,000 foreign in another."""
    template = rendered(bench.folder / "sales", database_schema="sales")
    with bench.server.another("crowded") as crowded, bench.server.another("alone") as alone:
        mine, other = (
            ours(template, bench.folder / database.name, database) for database in (crowded, alone)
        )
        for contestant in (mine, other):
            contestant.migrate(tables=10, revisions=1)
        with crowded.connect() as connection:
            table = sql.SQL("CREATE TABLE {} (id bigint PRIMARY KEY, name text UNIQUE)")
            for number in range(3000):
                connection.execute(table.format(sql.Identifier(f"foreign_{number}")))
            connection.execute("ANALYZE")
        times = alternately(
            lambda: mine.alembic("check"), lambda: other.alembic("check"), bench.rounds
        )
        yield _line("check, 10 tables beside 3,000", times, "alone", aim=1.5)


def tests(bench: Bench) -> Iterator[str]:
    """100 tests that use the database, start of pytest included, on a server that runs."""
    with bench.server.another("tests") as database:
        mine = ours(bench.service, bench.folder / "tests", database)
        mine.migrate(tables=20, revisions=10)
        isolation.write_tests(mine.folder)
        times = alternately(
            lambda: mine.program("pytest", "-q", isolation.ROLLED_BACK),
            lambda: mine.program("pytest", "-q", isolation.MIGRATED),
            max(1, bench.rounds // 5),
        )
        yield _line("100 tests", times, "migrating each", aim=0.1)


def wire(bench: Bench) -> Iterator[str]:
    """Round trips to the server."""
    with proxy(bench.server.host, bench.server.port) as relay:
        through = replace(bench, server=replace(bench.server, port=relay.port))

        def round_trips(contestant: Contestant, program: str, *words: str) -> int:
            return _round_trips(relay, lambda: contestant.program(program, *words))

        with through.both("wire") as (mine, other):
            write_revisions(mine, 100)
            write_revisions(other, 100)
            for name in ("upgrade head, 100 revisions", "upgrade head, nothing to do"):
                here, there = (
                    round_trips(each, "alembic", "upgrade", "head") for each in (mine, other)
                )
                yield f"{name:34}{here:5} RT   bare {there:5} RT"
            yield f"{'db migrate, nothing to do':34}{round_trips(mine, 'db', 'migrate'):5} RT"
        template = rendered(bench.folder / "example", example="yes")
        with bench.server.another("reads") as database:
            notes = ours(template, bench.folder / "reads", replace(database, port=relay.port))
            notes.alembic("upgrade", "head")
            for kind in ("read", "write"):
                few, many = (round_trips(notes, "python", "-c", READ, kind, n) for n in ("1", "11"))
                yield f"{f'get by primary key, {kind} session':34}{(many - few) / 10:5g} RT"


def concurrent(bench: Bench) -> Iterator[str]:
    """`session()` and `read_session()` beside a plain engine, with 50 and 200 tasks."""
    template = rendered(bench.folder / "sessions", example="yes")
    with bench.server.another("sessions") as database:
        service = ours(template, bench.folder / "concurrent", database)
        service.alembic("upgrade", "head")
        for name, here, there, ratio in concurrency(service, bench.rounds):
            verdict = "" if ratio <= 1.03 else "  missed"
            yield (
                f"{name:34}{here:7.2f} s   {'plain engine':14}{there:7.2f} s"
                f"   ratio {ratio:.2f}, aim 1.03{verdict}"
            )


def web(bench: Bench) -> Iterator[str]:
    """Requests to the web application beside plain sessions and asyncpg's pool."""
    template = rendered(bench.folder / "web", example="yes", web="fastapi")
    with bench.server.another("web") as database:
        service = ours(template, bench.folder / "requests", database)
        service.alembic("upgrade", "head")
        yield from requests(service, bench.rounds)


def first_minute(bench: Bench) -> Iterator[str]:
    """Rendering, and the local server: made at the first start, found at the later ones."""
    project = Project(bench.folder / "minute", "my_service")
    renders, cold, warm = [], [], []
    for _ in range(max(1, bench.rounds // 3)):
        shutil.rmtree(project.path, ignore_errors=True)
        renders.append(seconds(lambda: rendered(project.path)))
        project.run("db", "--help")  # makes the virtual environment, compiles
        try:
            cold.append(seconds(lambda: project.db("start")))
            project.db("stop")
            warm.append(seconds(lambda: project.db("start")))
        finally:
            project.db("stop")
            shutil.rmtree((project.path / ".postgres").resolve())
    for name, times in (
        ("copier copy", renders),
        ("db start, first", cold),
        ("db start, later", warm),
    ):
        yield f"{name:34}{median(times):7.2f} s"


def deploys(bench: Bench) -> Iterator[str]:
    """Races, crashes and traffic: how many runs, and how many of them failed."""
    yield from campaigns(bench.both, bench.rounds)


def changes(bench: Bench) -> Iterator[str]:
    """Every kind of change of 100,000 rows amid traffic."""
    with bench.both("changes") as (mine, other):
        yield from schema_changes(mine, other, bench.server)


def mutations(bench: Bench) -> Iterator[str]:
    """What is done wrong with migrations by hand, and who notices."""
    yield from mistakes(rendered(bench.folder / "mutations", example="yes"), bench.server)


def situations(bench: Bench) -> Iterator[str]:
    """Changes that bug reports tell of, on 10,000 rows amid traffic, on two drivers."""
    with bench.both("situations") as (mine, other):
        python = mine.programs / "python"
        run("uv", "pip", "install", "--quiet", "--python", python, "psycopg[binary]", cwd=ROOT)
        old = ours(
            rendered(bench.folder / "release", version=OLD_RELEASE),
            bench.folder / "situations-old",
            mine.database,
        )
        yield from trips(
            {
                "asyncpg: up, down": Traveller(mine, tests=True),
                "psycopg": Traveller(mine, driver="psycopg"),
                "1.0.1": Traveller(old),
                "`alembic init`": Traveller(other, confirms=False),
            },
            bench.server,
        )


def rows(bench: Bench) -> Iterator[str]:
    """A change of four million rows during traffic, in batches and as one statement."""
    with bench.both("rows") as (mine, _):
        python = mine.programs / "python"
        run("uv", "pip", "install", "--quiet", "--python", python, "psycopg[binary]", cwd=ROOT)
        yield from changed_rows(mine, bench.server)


def estimates(bench: Bench) -> Iterator[str]:
    """Estimates of `db plan` beside measured times, at 1, 5 and 20 million rows."""
    for number in ROW_COUNTS:
        with bench.server.another("estimates") as database:
            yield from estimated(database, number)


FIGURES = {
    figure.__name__: figure
    for figure in (
        *(no_op, history, check, foreign, tests, wire, concurrent, web, first_minute),
        *(deploys, changes, rows, situations, mutations, estimates),
    )
}


def _round_trips(relay: Proxy, run: Callable[[], object]) -> int:
    before = relay.round_trips
    run()
    return relay.round_trips - before


def _line(name: str, times: Measured, other: str, aim: float) -> str:
    verdict = "" if times.ratio <= aim else "  missed"
    return (
        f"{name:34}{times.ours:7.2f} s   {other:14}{times.other:7.2f} s"
        f"   ratio {times.ratio:.2f}, aim {aim:g}{verdict}"
    )
