"""`options()`: the library's arguments for `context.configure`, and the team's beside them."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import alembic_live
import pytest
from alembic import command
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Column, Integer, MetaData, Table
from sqlalchemy.types import UserDefinedType

Options = Callable[..., dict[str, Any]]


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Options:
    """The options in an env.py that runs for a command."""
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    # The connection is asked for what belongs to partitions and extensions.
    rows = [SimpleNamespace(nspname="public", relname="part_1")]
    connection = SimpleNamespace(execute=lambda _statement: rows)
    monkeypatch.setattr(
        "alembic.runtime.environment.EnvironmentContext.get_context",
        lambda _self: SimpleNamespace(connection=connection),
    )

    def options(command: str = "revision", *, sql: bool = False, **own: Any) -> dict[str, Any]:
        config = Config(tmp_path / "alembic.ini")
        config.attributes["command"] = command
        metadata = MetaData()
        Table("notes", metadata, Column("id", Integer))
        project = alembic_live.Project(metadata=metadata, url="postgresql+asyncpg://u:p@h/n")
        with EnvironmentContext(config, ScriptDirectory.from_config(config), as_sql=sql):
            chosen = alembic_live.options(project, **own)
        return chosen

    return options


def test_a_command_that_compares_nothing_needs_few(options: Options) -> None:
    chosen = options("upgrade")
    assert chosen["transaction_per_migration"] is True
    assert chosen["dialect_name"] == "postgresql"
    assert chosen["literal_binds"] is False
    assert chosen["include_name"] is None


def test_every_command_has_the_same_names(options: Options) -> None:
    assert options("upgrade").keys() == options("check").keys()


def test_sql_has_its_values_in_it_and_each_percent_sign_once(options: Options) -> None:
    chosen = options("upgrade", sql=True)
    assert chosen["literal_binds"] is True
    assert chosen["dialect_opts"] == {"paramstyle": "named"}


def test_a_comparison_looks_at_the_models_schemas(options: Options) -> None:
    chosen = options()
    assert chosen["compare_server_default"] is True
    assert chosen["include_schemas"] is False
    assert chosen["include_name"](None, "schema", {})
    assert not chosen["include_name"]("other", "schema", {})


def test_a_team_s_option_is_kept(options: Options) -> None:
    chosen = options(compare_type=False, transaction_per_migration=False, user_module_prefix="x.")
    assert chosen["compare_type"] is False
    assert chosen["transaction_per_migration"] is False
    assert chosen["user_module_prefix"] == "x."


@pytest.mark.parametrize("command", ["upgrade", "check"])
def test_a_team_may_give_every_argument(options: Options, command: str) -> None:
    own = {
        "include_schemas": True,
        "compare_server_default": False,
        "literal_binds": True,
        "render_as_batch": True,
        "version_table": "history",
        "include_object": None,
    }
    chosen = options(command, dialect_opts={"implicit_returning": False}, **own)
    assert chosen["dialect_opts"] == {"paramstyle": "named", "implicit_returning": False}
    del own["include_object"]
    assert own.items() <= chosen.items()


def test_a_team_s_plugins_come_after_the_library_s(options: Options) -> None:
    mine = ["alembic.autogenerate.*", "~alembic_live.enums"]
    chosen = options("check", autogenerate_plugins=mine)["autogenerate_plugins"]
    assert chosen[-2:] == mine
    assert "alembic_live.enums" in chosen
    assert "alembic.ext.checkconstraint_byname" not in chosen
    assert options("upgrade", autogenerate_plugins=mine)["autogenerate_plugins"] == mine


ENV = """
import alembic_live
from alembic import context
from sqlalchemy import MetaData

project = alembic_live.Project(metadata=MetaData(), url="postgresql+asyncpg://u:p@h/n")


def configure(connection):
    context.configure(connection=connection, GIVEN, **alembic_live.options(project))


alembic_live.run_migrations(project, configure)
"""


@pytest.mark.parametrize(
    "given", ["literal_binds=True", "include_schemas=True", "compare_server_default=True"]
)
def test_an_argument_that_is_given_twice_is_named_by_every_command(
    tmp_path: Path, given: str
) -> None:
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    (tmp_path / "migrations" / "env.py").write_text(ENV.replace("GIVEN", given))
    name = given.partition("=")[0]
    with pytest.raises(CommandError, match=rf"alembic_live\.options\(project, {name}=…\)"):
        command.upgrade(Config(tmp_path / "alembic.ini"), "head", sql=True)


def test_a_team_s_include_object_is_asked_as_well_as_the_library_s(options: Options) -> None:
    seen = []

    def include_object(item: Any, name: str, kind: str, *_rest: Any) -> bool:
        seen.append(name)
        return name != "hidden"

    metadata = MetaData()
    kept, hidden, view = (
        Table(name, metadata, Column("id", Integer), info={"is_view": name == "view"})
        for name in ("kept", "hidden", "view")
    )
    include = options(include_object=include_object)["include_object"]
    assert include(kept, "kept", "table", True, None)
    assert not include(hidden, "hidden", "table", False, None)
    assert not include(view, "view", "table", False, None)  # the library's own rule
    assert seen == ["kept", "hidden", "view"]


def test_so_is_an_include_name(options: Options) -> None:
    include = options(include_name=lambda name, _kind, _parents: name != "hidden")["include_name"]
    assert include(None, "schema", {})
    assert not include("hidden", "schema", {})
    assert not include("other", "schema", {})


class Dotted(UserDefinedType[str]):
    """A type that is not SQLAlchemy's."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The type in SQL."""
        return "ltree"


def test_what_a_team_renders_comes_first(options: Options) -> None:
    def render_item(kind: str, item: object, _context: object) -> object:
        return "mine()" if item == "mine" else False

    render = options(render_item=render_item)["render_item"]
    imports: set[str] = set()
    context = SimpleNamespace(imports=imports)
    assert render("type", "mine", context) == "mine()"
    assert render("type", Dotted(), context) == "SqlType('ltree')"
    assert imports == {"from alembic_live.operations import SqlType"}  # the library's own rule


def test_a_team_s_directives_run_before_the_review(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr(
        "alembic_live.autogenerate.review.review", lambda *_arguments: order.append("review")
    )

    def mine(*_arguments: object) -> None:
        order.append("mine")

    options(process_revision_directives=mine)["process_revision_directives"](None, None, [])
    assert order == ["mine", "review"]
