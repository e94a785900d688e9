"""`internals.alembic` agrees with the installed Alembic on steps, errors, warnings and options."""

import warnings
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.operations import ops
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from alembic_live.errors import IncompatibleLibraryError
from alembic_live.internals import alembic
from sqlalchemy import CheckConstraint, Column, Index, Integer, MetaData, Table


@pytest.fixture
def script(tmp_path: Path) -> ScriptDirectory:
    """A history: one -> two -> three and three_too."""
    (tmp_path / "versions").mkdir()
    for name, down in {"one": None, "two": "one", "three": "two", "three_too": "two"}.items():
        write(tmp_path, name, down)
    return ScriptDirectory(str(tmp_path))


def write(folder: Path, name: str, down: str | tuple[str, ...] | None, file: str = "") -> None:
    text = f"revision = {name!r}\ndown_revision = {down!r}\n\ndef upgrade(): ...\n\ndef downgrade(): ...\n"
    (folder / "versions" / f"{file or name}.py").write_text(text)


def loaded(script: ScriptDirectory) -> list[tuple[str, str] | None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with suppress(KeyError):  # Alembic's way to say that one is missing
            script.get_heads()
    return [alembic.flaw_in_history(each) for each in caught]


def test_what_alembic_warns_of_in_a_history_is_understood(script: ScriptDirectory) -> None:
    assert loaded(script) == []
    write(Path(script.dir), "two", "one", file="again")
    assert loaded(ScriptDirectory(script.dir)) == [("twice", "two")]
    (Path(script.dir) / "versions" / "again.py").unlink()
    write(Path(script.dir), "four", "gone")
    assert loaded(ScriptDirectory(script.dir)) == [("missing", "gone")]


def test_any_other_warning_of_alembic_about_a_history_is_a_flaw() -> None:
    def warned(message: str, filename: str, category: type[Warning] = UserWarning) -> Any:
        return warnings.WarningMessage(category(message), category, filename, 1)

    inside = str(Path(import_module("alembic").__file__ or "").parent / "script" / "revision.py")
    assert alembic.flaw_in_history(warned("Something new", inside)) == ("unknown", "Something new")
    assert alembic.flaw_in_history(warned("Old", inside, DeprecationWarning)) is None
    assert alembic.flaw_in_history(warned("Something", "/project/versions/one.py")) is None


def test_a_database_that_is_behind_is_told_by_alembics_own_sentence() -> None:
    source = Path(import_module("alembic.autogenerate.api").__file__ or "").read_text()
    text = "Target database is not up to date."
    assert f'"{text}"' in source
    assert alembic.is_about_a_database_behind(CommandError(text))


def test_errors_of_alembic_are_told_by_their_causes(script: ScriptDirectory) -> None:
    with pytest.raises(CommandError) as several:
        script.get_revision("head")
    assert alembic.is_about_several_heads(several.value)
    assert not alembic.is_about_an_unknown_revision(several.value)
    with pytest.raises(CommandError) as unknown:
        script.get_revision("nothing")
    assert alembic.is_about_an_unknown_revision(unknown.value)
    assert not alembic.is_about_several_heads(unknown.value)


WALKS = [
    ("head", ("one",)),
    ("heads", ()),
    ("+1", ("one",)),
    ("+7", ("one",)),
    ("nothing", ()),
    ("thre", ()),
    ("three", ("three",)),
]


@pytest.mark.parametrize(("target", "current"), WALKS)
def test_a_walk_has_the_revisions_or_the_sentence_of_upgrade(
    script: ScriptDirectory, target: str, current: tuple[str, ...]
) -> None:
    def ours() -> list[str]:
        walk = lambda: script.iterate_revisions(target, current, implicit_base=True)  # noqa: E731
        return [each.revision for each in alembic.walked(script, walk, target, "upgrade")[::-1]]

    def theirs() -> list[str]:
        return [step.revision.revision for step in script._upgrade_revs(target, current)]  # type: ignore[arg-type]

    assert result_of(ours) == result_of(theirs)


@pytest.mark.parametrize("target", ["-1", "-7", "base", "one", "three_too", "nothing"])
def test_a_walk_has_the_revisions_or_the_sentence_of_downgrade(
    script: ScriptDirectory, target: str
) -> None:
    def ours() -> list[str]:
        walk = lambda: script.iterate_revisions("three", target, select_for_downgrade=True)  # noqa: E731
        return [each.revision for each in alembic.walked(script, walk, target, "downgrade")]

    def theirs() -> list[str]:
        return [step.revision.revision for step in script._downgrade_revs(target, "three")]

    assert result_of(ours) == result_of(theirs)


AMBIGUOUS = [
    ("+1", ("two",), True),
    ("+1", ("three", "three_too"), True),
    ("-1", ("three", "three_too"), False),
    ("-1", ("joined",), False),
    ("apart@-1", ("three",), False),
]


@pytest.mark.parametrize(("target", "current", "is_upgrade"), AMBIGUOUS)
def test_an_ambiguous_target_is_told_from_others(
    script: ScriptDirectory, target: str, current: tuple[str, ...], is_upgrade: bool
) -> None:
    folder = Path(script.dir)
    if "joined" in current:
        write(folder, "joined", ("three", "three_too"))
    if target.startswith("apart"):
        write(folder, "apart_1", None)
        path = folder / "versions" / "apart_1.py"
        path.write_text(f"{path.read_text()}\nbranch_labels = 'apart'\n")
    script = ScriptDirectory(script.dir)

    def walk() -> Any:
        if is_upgrade:
            return script.iterate_revisions(target, current, implicit_base=True)
        return script.iterate_revisions(current, target, select_for_downgrade=True)

    with pytest.raises(alembic.AmbiguousTargetError):
        alembic.walked(script, walk, target, "upgrade")


def test_a_revision_and_the_one_before_it_are_told_by_alembics_own_sentence(
    script: ScriptDirectory,
) -> None:
    with pytest.raises(CommandError) as overlap:
        list(script._upgrade_revs("three", ("two", "three")))  # type: ignore[arg-type]
    assert alembic.overlap_in(overlap.value) == ("three", "two")
    assert alembic.overlap_in(CommandError("Something else")) is None


def test_the_files_are_those_that_alembic_loads(tmp_path: Path) -> None:
    for name in ("a", "b"):
        folder = tmp_path / name / "deep" / "versions"
        folder.mkdir(parents=True)
        write(folder.parent, f"{name}1", None)
        (tmp_path / name / "top.py").write_text(f"revision = '{name}'\ndown_revision = None\n")
    for recursive in (False, True):
        script = ScriptDirectory(
            str(tmp_path),
            version_locations=[str(tmp_path / "a"), str(tmp_path / "b")],
            recursive_version_locations=recursive,
        )
        folders = alembic.version_folders(script)
        assert folders == [tmp_path / "a", tmp_path / "b"]
        files = [file for folder in folders for file in alembic.files_in_folder(script, folder)]
        loaded = {Path(each.path) for each in script.walk_revisions()}
        assert {file for file in files if file.suffix == ".py"} == loaded
        assert len(loaded) == (4 if recursive else 2)


def result_of(work: Any) -> Any:
    try:
        return work()
    except CommandError as error:
        return str(error)


def test_the_step_of_one_revision(script: ScriptDirectory) -> None:
    for is_upgrade in (True, False):
        step = alembic.step_of(script, "three", is_upgrade=is_upgrade)
        assert alembic.is_revision_step(step)
        assert (step.revision.revision, step.is_upgrade) == ("three", is_upgrade)


def configured(script: ScriptDirectory, **options: Any) -> MigrationContext:
    context = EnvironmentContext(Config(), script, **options)
    context.configure(dialect_name="postgresql")
    return context.get_context()


def test_the_steps_of_a_command(script: ScriptDirectory) -> None:
    migration = configured(script, fn=lambda heads, _: script._upgrade_revs("three", heads))
    steps = alembic.steps_of(migration, ("one",))
    assert [step.revision.revision for step in steps] == ["two", "three"]
    stamp = configured(script, fn=lambda heads, _: script._stamp_revs("two", heads))
    [step] = alembic.steps_of(stamp, ("one",))
    assert not alembic.is_revision_step(step)


@pytest.mark.parametrize("name", ["migration_fn", "is_upgrade", "revision"])
def test_a_step_without_an_attribute_is_refused(script: ScriptDirectory, name: str) -> None:
    [step] = script._upgrade_revs("one", ())  # type: ignore[arg-type]
    delattr(step, name)
    migration = configured(script, fn=lambda *_: [step])
    with pytest.raises(IncompatibleLibraryError, match=rf"needs RevisionStep\.{name}"):
        alembic.steps_of(migration, ())


@pytest.mark.parametrize("options", [{"fn": lambda *_: [object()]}, {"fn": None}, {}])
def test_steps_of_an_unknown_kind_are_refused(
    script: ScriptDirectory, options: dict[str, Any]
) -> None:
    with pytest.raises(IncompatibleLibraryError):
        alembic.steps_of(configured(script, **options), ())


DESTINATIONS = ["head", "heads", "+2", "-1", "base", "nothing", "no@head", ("one",), ("one", "two")]


@pytest.mark.parametrize("destination", DESTINATIONS)
def test_a_command_with_a_destination_moves_the_database(
    script: ScriptDirectory, destination: Any
) -> None:
    with EnvironmentContext(Config(), script, destination_rev=destination):
        assert alembic.moves_the_database("upgrade")
        assert alembic.moves_the_database(None)


def test_a_command_without_one_does_not_unless_it_should_have_one(script: ScriptDirectory) -> None:
    with EnvironmentContext(Config(), script):
        assert not alembic.moves_the_database("current")
        assert not alembic.moves_the_database(None)
        for command in ("upgrade", "downgrade", "stamp"):
            with pytest.raises(
                IncompatibleLibraryError, match=f"the revision argument of {command}"
            ):
                alembic.moves_the_database(command)


def test_configuring_again_keeps_everything_but_the_steps(
    script: ScriptDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    given: dict[str, Any] = {
        "dialect_name": "postgresql",
        "target_metadata": MetaData(),
        "version_table": "versions",
        "version_table_schema": "sales",
        "transaction_per_migration": True,
        "compare_server_default": True,
        "include_schemas": True,
        "on_version_apply": lambda **_: None,
    }
    options: dict[str, Any] = {"fn": lambda *_: [], "destination_rev": "head", "tag": "a tag"}
    with EnvironmentContext(Config(), script, **options) as context:
        connection = MigrationContext.configure(dialect_name="postgresql").connection
        context.configure(**given)
        first = dict(context.get_context().opts)

        def steps(*_: object) -> list[Any]:
            return []

        with pytest.MonkeyPatch.context() as patch, caplog.at_level("INFO"):
            # Without a database there is no connection to take the dialect from.
            configure = EnvironmentContext.configure
            patch.setattr(
                EnvironmentContext,
                "configure",
                lambda self, **kw: configure(self, dialect_name="postgresql", **kw),
            )
            caplog.clear()
            second = alembic.configured_with(context.get_context(), steps)
        assert connection is None
        assert second is context.get_context()
        assert second.opts == first | {"fn": steps}
        assert caplog.messages == []


def test_an_alembic_that_takes_no_other_steps_is_refused(
    script: ScriptDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure = EnvironmentContext.configure

    def without(self: Any, *, fn: object = None, **options: Any) -> None:
        configure(self, dialect_name="postgresql", **options)

    with EnvironmentContext(Config(), script, fn=lambda *_: []) as context:
        context.configure(dialect_name="postgresql")
        monkeypatch.setattr(EnvironmentContext, "configure", without)
        with pytest.raises(IncompatibleLibraryError, match=r"context\.configure\(fn=…\)"):
            alembic.configured_with(context.get_context(), lambda *_: [])


@pytest.mark.parametrize("prefix", ["op.", "operations.", "a.b.", None])
def test_a_rendered_call_is_taken_apart_whatever_its_prefix(prefix: str | None) -> None:
    migration = MigrationContext.configure(
        dialect_name="postgresql",
        opts={
            "target_metadata": MetaData(),
            "alembic_module_prefix": prefix,
            "sqlalchemy_module_prefix": "sa.",
            "user_module_prefix": None,
        },
    )
    context = AutogenContext(migration)
    table = Table("t", MetaData(), Column("op.id", Integer))
    index = ops.CreateIndexOp.from_index(Index("ix op.(", table.c["op.id"]))
    function, arguments = alembic.rendered_call(context, index)
    assert function == "create_index"
    assert arguments == "('ix op.(', 't', ['op.id'], unique=False)"
    check = CheckConstraint("1 < (2)", name="c")
    table.append_constraint(check)
    call = alembic.rendered_call(context, ops.CreateCheckConstraintOp.from_constraint(check))
    assert call[0] == "create_check_constraint"


def test_what_is_rendered_as_no_call_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alembic.autogenerate.render.render_op_text", lambda *_: "x = 1; op.f()")
    with pytest.raises(IncompatibleLibraryError, match="a single call for DropTableOp"):
        alembic.rendered_call(None, ops.DropTableOp("t"))  # type: ignore[arg-type]
