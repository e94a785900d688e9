"""Models are imported from wherever the project says, and what cannot be imported is named."""

import signal
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import count
from pathlib import Path

import pytest
from alembic.util import CommandError
from alembic_live import Project
from alembic_live.interruption import SIGNALS, Stopped, stopped_by_signals
from alembic_live.models import load_models, model_modules
from alembic_live.other_models import left_out_models, models_not_imported
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table

_numbers = count()

Write = Callable[..., str]

SECOND = "path_separator = os\nversion_locations = %(here)s/PACKAGE/versions"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a package with these modules. Returns its name."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    def write(**modules: str) -> str:
        package = f"models_of_a_test_{next(_numbers)}"
        for name, source in {"__init__": "", **modules}.items():
            path = tmp_path / package / f"{name.replace('__in__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        return package

    yield write
    for name in [name for name in sys.modules if name.startswith("models_of_a_test_")]:
        del sys.modules[name]


def test_every_module_of_a_package_is_imported_at_any_depth(write: Write) -> None:
    package = write(one="", deep__in__two="", deep__in__deeper__in__three="")
    load_models(Project(metadata=MetaData(), models=package))
    expected = {
        package,
        *(f"{package}.{each}" for each in ("one", "deep.two", "deep.deeper.three")),
    }
    assert expected <= set(sys.modules)
    assert set(model_modules(package)) == expected - {package}


@pytest.mark.parametrize("versions", ["", SECOND])
def test_a_history_in_the_package_is_no_model(write: Write, tmp_path: Path, versions: str) -> None:
    """env.py runs a command when it is imported, and a revision may have models for its rows."""
    row = "class Row(Base):\n    __tablename__ = 'rows'\n"
    package = write(
        models="", history__in__env="raise RuntimeError", history__in__versions__in__one=row
    )
    (tmp_path / package / "versions").mkdir()
    (tmp_path / package / "versions" / "two.py").write_text(row)
    ini = tmp_path / "alembic.ini"
    location = f"script_location = %(here)s/{package}/history"
    ini.write_text(f"[alembic]\n{location}\n{versions.replace('PACKAGE', package)}")
    project = Project(metadata=MetaData(), models=package).located(ini)
    if not versions:
        (tmp_path / package / "versions" / "two.py").unlink()
    load_models(project)
    assert models_not_imported(project) == []
    assert {name for name in sys.modules if "env" in name and name.startswith(package)} == set()


def test_a_module_is_imported_alone(write: Write) -> None:
    package = write(one="", other="")
    load_models(Project(metadata=MetaData(), models=f"{package}.one"))
    assert f"{package}.one" in sys.modules
    assert f"{package}.other" not in sys.modules


def test_several_are_imported(write: Write) -> None:
    packages = write(one=""), write(two="")
    load_models(Project(metadata=MetaData(), models=packages))
    assert {f"{packages[0]}.one", f"{packages[1]}.two"} <= set(sys.modules)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nowhere\n", "ModuleNotFoundError at {}:1: No module named 'nowhere'"),
        ("x = (\n", "SyntaxError at {}:1: "),
        ("\n1 / 0\n", "ZeroDivisionError at {}:2: "),
        ("raise SystemExit(0)\n", "SystemExit at {}:1: "),
    ],
)
def test_one_that_cannot_be_imported_is_named_with_its_line(
    write: Write, tmp_path: Path, source: str, reason: str
) -> None:
    package = write(broken=source)
    with pytest.raises(CommandError) as refused:
        load_models(Project(metadata=MetaData(), models=package))
    assert f"The models in {package}.broken cannot be loaded, so nothing was compared" in str(
        refused.value
    )
    assert reason.format(tmp_path / package / "broken.py") in str(refused.value)


def test_a_signal_while_they_load_is_not_their_error(write: Write) -> None:
    package = write(slow="import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n")
    before = {number: signal.getsignal(number) for number in SIGNALS}
    stopped_by_signals()
    try:
        with pytest.raises(Stopped) as stopped:
            load_models(Project(metadata=MetaData(), models=package))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert (stopped.value.code, stopped.value.text) == (143, "Stopped by SIGTERM.")


@pytest.mark.filterwarnings("error")
def test_a_warning_of_another_package_is_no_error(write: Write) -> None:
    warn = "import warnings\nwarnings.warn('old', DeprecationWarning)\n"
    other, own = write(other=warn), write(other=warn)
    package = write(one=f"import {other}.other\n")
    load_models(Project(metadata=MetaData(), models=package))
    with pytest.raises(CommandError, match="DeprecationWarning"):
        load_models(Project(metadata=MetaData(), models=own))


def test_a_package_that_is_not_there_is_named() -> None:
    with pytest.raises(CommandError, match="The models in nowhere_at_all cannot be loaded"):
        load_models(Project(metadata=MetaData(), models="nowhere_at_all"))


def test_a_foreign_key_to_nowhere_is_named() -> None:
    metadata = MetaData()
    Table("things", metadata, Column("owner_id", Integer, ForeignKey("nowhere.id")))
    with pytest.raises(CommandError, match=r"refers to a table that does not exist.*'nowhere'"):
        load_models(Project(metadata=metadata))


MODEL = 'class Thing:\n    __tablename__ = "things"\n'


def test_models_that_are_elsewhere_are_found(write: Write, tmp_path: Path) -> None:
    (tmp_path / "alembic.ini").write_text("")
    package = write(
        models__in____init__="",
        models__in__thing=MODEL,
        elsewhere=f"\n{MODEL}",
        typed='class Other:\n    __tablename__: str = "others"\n',
        plain="class Plain:\n    x = 1\n",
    )
    project = Project(metadata=MetaData(), models=f"{package}.models").located(
        tmp_path / "alembic.ini"
    )
    assert models_not_imported(project) == [
        f"{package}/elsewhere.py:2 Thing",
        f"{package}/typed.py:1 Other",
    ]


def test_a_model_of_sqlmodel_elsewhere_is_found(write: Write, tmp_path: Path) -> None:
    (tmp_path / "alembic.ini").write_text("")
    package = write(
        models__in____init__="",
        hero="class Hero(SQLModel, table=True):\n    id: int\n\nclass Seen(SQLModel):\n    id: int\n",
        mapped="class Mapped(Base):\n    __table__ = things\n",
        other__in__model=MODEL,
    )
    project = Project(
        metadata=MetaData(), models=f"{package}.models", other_models=f"{package}.other"
    ).located(tmp_path / "alembic.ini")
    assert models_not_imported(project) == [
        f"{package}/hero.py:1 Hero",
        f"{package}/mapped.py:1 Mapped",
    ]


OTHERS = """
from sqlalchemy import Column, Integer, MetaData, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry

from .metadata import own

class Base(DeclarativeBase):
    metadata = own

class Known(Base):
    __tablename__ = "known"
    id: Mapped[int] = mapped_column(primary_key=True)

class Second(DeclarativeBase):
    metadata = MetaData(schema="second")

class Abstract(Second):
    __abstract__ = True

class Left(Abstract):
    __tablename__ = "left"
    id: Mapped[int] = mapped_column(primary_key=True)

third = MetaData()

class Plain:
    pass

registry(metadata=third).map_imperatively(
    Plain, Table("plain", third, Column("id", Integer, primary_key=True))
)

class Third(DeclarativeBase):
    pass

class KnownToo(Third):
    __table__ = Table("known", Third.metadata, Column("id", Integer, primary_key=True))

class View(Third):
    __table__ = Table(
        "view", Third.metadata, Column("id", Integer, primary_key=True), info={"is_view": True}
    )
"""


def test_a_model_on_another_metadata_is_named_with_what_to_add(
    write: Write, tmp_path: Path
) -> None:
    (tmp_path / "alembic.ini").write_text("")
    package = write(metadata="from sqlalchemy import MetaData\nown = MetaData()\n", models=OTHERS)
    own = import_module(f"{package}.metadata").own
    models = f"{package}.models"

    def project(*metadata: MetaData, other_models: str | tuple[str, ...] = ()) -> Project:
        given = Project(metadata=metadata, models=models, other_models=other_models)
        return given.located(tmp_path / "alembic.ini")

    load_models(project(own))
    [sentence, way_out] = left_out_models(project(own))
    assert f"{models}.Left ({models}.Second.metadata)" in sentence
    assert f"{models}.Plain ({models}.third)" in sentence
    assert f"Project(metadata=[…, {models}.Second.metadata, {models}.third])" in sentence
    assert "Known" not in sentence
    assert "View" not in sentence
    assert "Project(other_models=…)" in way_out
    loaded = sys.modules[models]
    assert left_out_models(project(own, loaded.Second.metadata, loaded.third)) == []
    assert left_out_models(project(own, other_models=models)) == []
