"""Which mistakes are caught: by the gates of a rendered project; by a stock `env.py` with `upgrade head` and
`check`; and with it by the four tests of pytest-alembic. All three look at the same files.
"""

import re
from collections.abc import Iterator

from contestants import replace_in, use_models
from mutations import MUTATIONS, a_head_that_git_has_merged_wrongly, make_healthy
from project import Finished, Project, commit, run, said
from server import Database

GATES = {
    "test_the_history_has_one_head": "one head",
    "test_every_model_is_found": "every model is found",
    "test_the_models_and_the_migrations_agree": "models and migrations agree",
    "test_the_models_make_what_the_migrations_make": "… in what autogenerate does not see",
    "test_every_revision_goes_up_and_down_and_up": "up, down, up",
    "test_every_revision_can_be_applied_to_tables_with_rows": "tables with rows",
}

NOT_THERE = {a_head_that_git_has_merged_wrongly}  # a stock project has no head.txt

PYTEST_ALEMBIC = """\
from collections.abc import Iterator

import psycopg
import pytest
from pytest_alembic.tests import (
    test_model_definitions_match_ddl,
    test_single_head_revision,
    test_up_down_consistency,
    test_upgrade,
)
from sqlalchemy import Engine, NullPool, create_engine

URL = {url!r}


@pytest.fixture
def alembic_config() -> dict[str, str]:
    return {{"file": {configuration!r}}}


@pytest.fixture
def alembic_engine() -> Iterator[Engine]:
    with psycopg.connect(URL, dbname="postgres", autocommit=True) as server:
        server.execute("DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        server.execute("CREATE DATABASE {name}")
    engine = create_engine(URL.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    yield engine
    engine.dispose()
"""

# What pytest-alembic wants of an env.py: the engine that it hands in.
ONLINE = "    asyncio.run(run_async_migrations())\n"
HANDED_IN = """\
    handed_in = config.attributes.get("connection")
    if handed_in is None:
        asyncio.run(run_async_migrations())
    else:
        with handed_in.connect() as connection:
            do_run_migrations(connection)
"""


def mistakes(project: Project, server: Database) -> Iterator[str]:
    """A row of a table for each mutation. The project is spoilt, and put right again, in turns."""
    with server.another("mistakes") as database, server.another("stock") as stock:
        project = project.given(**database.environment)
        make_healthy(project)
        use_stock(project, stock)
        commit(project.path)
        if any(caught := (by_gates(project), by_stock(project, stock), by_pytest_alembic(project))):
            raise SystemExit(f"Something is caught where nothing is wrong: {caught}")
        yield "| Mistake | Gates here | Stock `alembic check` | pytest-alembic |"
        yield "| --- | --- | --- | --- |"
        found = [0, 0, 0]
        for mutation in MUTATIONS:
            mutation.make(project)
            here, there = by_gates(project), (by_stock(project, stock), by_pytest_alembic(project))
            found = [count + bool(by) for count, by in zip(found, (here, *there), strict=True)]
            words = [here or "no", *(by or "no" for by in there)]
            if mutation.make in NOT_THERE:
                words[1:] = ["–", "–"]
            yield f"| {mutation.make.__name__.replace('_', ' ')} | {' | '.join(words)} |"
            run("git", "checkout", "--quiet", ".", cwd=project.path)
            run("git", "clean", "--quiet", "--force", "-d", cwd=project.path)
        yield f"caught of {len(MUTATIONS)}: here {found[0]}, stock {found[1]}, pytest-alembic {found[2]}"


def use_stock(project: Project, database: Database) -> None:
    """Put what `alembic init -t async` makes beside the project's own, for the same revisions."""
    project.alembic("-c", "stock.ini", "init", "--template", "async", "stock")
    url = f"//{database.user}:{database.password}@{database.host}:{database.port}/{database.name}"
    configuration = project.path / "stock.ini"
    replace_in(configuration, "driver://user:pass@localhost/dbname", f"postgresql+asyncpg:{url}")
    replace_in(
        configuration,
        "[alembic]\n",
        "[alembic]\nversion_locations = %(here)s/migrations/versions\n",
    )
    environment = project.path / "stock" / "env.py"
    use_models(
        environment, f"{project.package}.database.models", f"{project.package}.database.base"
    )
    replace_in(environment, ONLINE, HANDED_IN)
    tests = project.path / "stock" / "tests"
    tests.mkdir()
    (tests / "pytest.ini").write_text("[pytest]\n")
    (tests / "test_stock.py").write_text(
        PYTEST_ALEMBIC.format(
            url=f"postgresql:{url}", name=database.name, configuration=str(configuration)
        )
    )


def by_gates(project: Project) -> str:
    """Which of the project's gates do not pass."""
    tests = project.run("pytest", "-q", "-rfE", "tests/test_migrations.py", ok=False)
    failed = [GATES[name] for name in _failed(tests)]
    if project.db("lint", ok=False).returncode:
        failed.append("lint")
    return ", ".join(failed) if len(failed) < len(GATES) - 1 else "nearly all"


def by_stock(project: Project, database: Database) -> str:
    """Which of Alembic's own commands fails on an empty database."""
    database.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    for words in (("upgrade", "head"), ("check",)):
        if project.alembic("-c", "stock.ini", *words, ok=False).returncode:
            return f"`{' '.join(words)}`"
    return ""


def by_pytest_alembic(project: Project) -> str:
    """Which of its tests do not pass."""
    tests = project.run(
        "--with", "pytest-alembic", "--with", "pytest<9", "--with", "psycopg[binary]",
        "pytest", "-q", "-rfE", "-p", "no:cacheprovider", "-c", "stock/tests/pytest.ini", "stock/tests",
        ok=False,
    )  # fmt: skip
    failed = [name.removeprefix("test_").replace("_", " ") for name in _failed(tests)]
    return ", ".join(failed) if len(failed) < 4 else "all four"


def _failed(tests: Finished) -> list[str]:
    """The names of tests that did not pass, in the order in which they ran."""
    names = re.findall(r"^(?:FAILED|ERROR) \S+::(\w+)", tests.stdout, flags=re.MULTILINE)
    if tests.returncode and not names:
        raise SystemExit(f"The tests did not run:\n{said(tests)}")
    return list(dict.fromkeys(names))
