"""A team's changes find their place in a file that the template has rewritten (updates/by_parts.py)."""

import random
import re

import pytest
from by_parts import merged_by_parts

BASE = '''\
"""The settings."""

import os
from typing import Annotated

from pydantic_settings import BaseSettings

from .errors import ConfigurationError


def _number(low: int) -> int:
    return low


class Settings(BaseSettings):
    """Values as they were given."""

    model_config = {"extra": "ignore"}

    # Settings of your own go above this line.

    DB_HOST: str = ""
    DB_PORT: int = 5432

    @property
    def address(self) -> str:
        """Where it is."""
        if not self.DB_HOST:
            raise ConfigurationError(os.name)
        return connect(
            self.DB_HOST,
            pool_size=5,
            recycle=1800,  # seconds
        )


settings = Settings()
'''

NEW = '''\
"""The settings, read once."""

from alembic_live import DatabaseSettings


class Settings(DatabaseSettings):
    """DatabaseSettings has the rest."""

    model_config = {"extra": "ignore"}

    @property
    def address(self) -> str:
        """Its address."""
        return connect_to(
            self,
            pool_size=5,
            recycle=1800,  # seconds
        )


settings = Settings.load()
'''

BASE_TOML = """\
[project]
name = "my-service"
dependencies = [
    "alembic>=1.20",
    "asyncpg>=0.32",
    "sqlalchemy[postgresql-asyncpg]>=2.1",
]

[project.scripts]
db = "my_service.migrate:main"

[tool.pytest.ini_options]
addopts = ["-ra", "--tb=short"]
"""

NEW_TOML = """\
[project]
name = "my-service"
dependencies = [
    "alembic-live>=2",
    "asyncpg>=0.32",
    "sqlalchemy[postgresql-asyncpg]>=2.1",
]

[tool.pytest.ini_options]
addopts = ["-ra", "--tb=short", "-palembic_live"]
"""


def merged(
    old: str, new: str, *, base: str = BASE, after: str = NEW, path: str = "x.py"
) -> str | None:
    """The new version with a change of the team's."""
    assert base.count(old) == 1
    team = base.replace(old, new).encode()
    result = merged_by_parts(path, base.encode(), team, after.encode(), "my_service")
    return None if result is None else result.decode()


def toml(old: str, new: str) -> str | None:
    """The new version of a TOML file with a change of the team's."""
    return merged(old, new, base=BASE_TOML, after=NEW_TOML, path="pyproject.toml")


def test_a_field_goes_into_its_class() -> None:
    line = "    # Settings of your own go above this line.\n"
    result = merged(line, f"    PRICE: int = 7\n\n{line}")
    assert result == NEW.replace("    @property", "    PRICE: int = 7\n\n    @property")


def test_a_field_that_the_class_inherits_now_is_overridden() -> None:
    result = merged("    DB_PORT: int = 5432\n", "    DB_PORT: int = 6432\n")
    assert result is not None
    assert "    DB_PORT: int = 6432\n" in result


def test_a_definition_goes_to_the_end_or_in_front_of_what_follows_it() -> None:
    last = "settings = Settings()\n"
    result = merged(last, f"{last}\n\ndef ours() -> None:\n    pass\n")
    assert result == f"{NEW}\n\ndef ours() -> None:\n    pass\n"
    result = merged("class Settings", "Level = int\n\n\nclass Settings")
    assert result == NEW.replace("class Settings", "Level = int\n\n\nclass Settings")


def test_an_import_goes_among_the_imports() -> None:
    result = merged("import os\n", "import json\nimport os\n")
    assert result == NEW.replace("from alembic_live", "import json\n\nfrom alembic_live")


def test_an_argument_is_changed_where_its_line_is_left() -> None:
    result = merged("pool_size=5", "pool_size=20")
    assert result == NEW.replace("pool_size=5", "pool_size=20")


def test_an_argument_goes_into_its_call() -> None:
    base = BASE.replace("return connect(", "return connect_to(")
    result = merged(
        "            pool_size=5,\n",
        "            pool_size=5,\n            ping=True,\n",
        base=base,
    )
    assert result == NEW.replace("recycle", "ping=True,\n            recycle")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("if not self.DB_HOST:", "if self.DB_HOST is None:"),
        ("raise ConfigurationError(os.name)", "raise ConfigurationError()"),
        ('"""Where it is."""', '"""Ours."""'),
        (
            "def _number(low: int) -> int:\n    return low",
            "def _number(low: int) -> int:\n    return 1",
        ),
        ("settings = Settings()", "settings = Settings(a=1)"),
        ("import os\n", "import os  # ours\n"),
        ("import os\n", "# ours\nimport os\n"),
        ("import os\n", "import os; import sys\n"),
    ],
)
def test_a_change_of_what_the_template_has_dropped_or_changed_has_no_place(
    old: str, new: str
) -> None:
    assert merged(old, new) is None


def test_a_file_that_cannot_be_read_is_left_to_a_person() -> None:
    assert merged("class Settings", "clas Settings") is None
    assert merged_by_parts("x.py", b"a = 1\n", b"a = 1\n# \xff\n", b"a = 2\n", "p") is None
    assert merged_by_parts("x.ini", b"a = 1\n", b"a = 1\nb = 1\n", b"a = 2\n", "p") is None
    assert toml('name = "my-service"', "name = my service") is None


def test_a_dependency_goes_among_the_others() -> None:
    result = toml("dependencies = [\n", 'dependencies = [\n    "aiohttp>=3",\n')
    assert result == NEW_TOML.replace('    "asyncpg', '    "aiohttp>=3",\n    "asyncpg')
    result = toml('"asyncpg>=0.32"', '"asyncpg>=0.33"')
    assert result == NEW_TOML.replace('"asyncpg>=0.32"', '"asyncpg>=0.33"')


def test_the_bound_of_a_dependency_that_is_gone_stays() -> None:
    result = toml('"alembic>=1.20"', '"alembic>=1.21"')
    assert result is not None
    assert '    "alembic>=1.21",\n' in result


def test_a_table_that_is_gone_keeps_what_the_team_added() -> None:
    result = toml('main"\n', 'main"\norders = "my_service:main"\n')
    assert result is not None
    assert '\n[project.scripts]\norders = "my_service:main"\n\n' in result
    assert "migrate:main" not in result
    assert toml("my_service.migrate:main", "my_service.ours:main") is None


def test_options_in_one_line_are_joined() -> None:
    result = toml('"--tb=short"]', '"--tb=short", "--cov"]')
    assert result is not None
    assert 'addopts = ["-ra", "--tb=short", "-palembic_live", "--cov"]\n' in result
    result = toml('["-ra", "--tb=short"]', '["--tb=short"]')
    assert result is not None
    assert 'addopts = ["--tb=short", "-palembic_live"]\n' in result


@pytest.mark.parametrize("seed", range(20))
def test_no_change_is_lost(seed: int) -> None:
    """Lines are added, changed and deleted at random: each is in the result, or there is none."""
    rng = random.Random(seed)
    merges = 0
    for _ in range(30):
        path, base, new = rng.choice([("x.py", BASE, NEW), ("x.toml", BASE_TOML, NEW_TOML)])
        lines = base.splitlines(keepends=True)
        marks = set()
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(lines))
            indent = re.match(r"[ ]*", lines[at])
            assert indent
            mark = f"ours_{rng.randrange(10**9)}"
            change = rng.choice(["comment", "statement", "element", "change", "delete"])
            if change == "delete":
                del lines[at]
            elif change == "change":
                lines[at] = lines[at].rstrip("\n") + f"  # {mark}\n"
                marks.add(mark)
            else:
                text = {"comment": f"# {mark}", "statement": f"{mark} = 1", "element": f'"{mark}",'}
                lines.insert(at, f"{indent[0]}{text[change]}\n")
                marks.add(mark)
        team = "".join(lines)
        marks = {mark for mark in marks if mark in team}
        result = merged_by_parts(path, base.encode(), team.encode(), new.encode(), "p")
        if result is not None:
            merges += 1
            assert [mark for mark in marks if mark not in result.decode()] == []
    assert merges > 3
