"""A project that stays with SQLAlchemy 2.0, as libraries need that do not know 2.1 yet."""

import pytest
from passes import assert_passes
from project import commit, said
from rendered import Render
from things import MODELS

pytestmark = pytest.mark.typed


def test_a_day_with_sqlalchemy_2_0(render: Render) -> None:
    project = render()
    project.run("uv", "add", "--quiet", "sqlalchemy[postgresql-asyncpg]<2.1")
    version = "import sqlalchemy; print(sqlalchemy.__version__)"
    assert project.run("python", "-c", version).stdout.startswith("2.0.")
    project.run("mypy")
    project.alembic("upgrade", "head")
    project.write_model("things", MODELS)
    project.alembic("revision", "--autogenerate", "-m", "things")
    project.alembic("upgrade", "head")
    assert "No new upgrade operations" in said(project.alembic("check"))
    project.db("drift")
    commit(project.path)
    project.environment.clear()  # no server but the one that the tests start
    assert_passes(said(project.run("pytest")))
