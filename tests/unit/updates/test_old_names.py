"""Which calls of an old definition the new one takes, and what a file imports (updates/)."""

import ast
from pathlib import Path

import pytest
from git import sides
from modules import Definition, Modules, absolute, changed_members, takes_as_before
from names import unbound, with_lost_names
from old_names import OldNames, Reference, Replacement
from own_definitions import own_definitions
from python_imports import Import, with_imports


def definition(code: str) -> Definition:
    """The one definition in some code."""
    [found] = ast.parse(code).body
    assert isinstance(found, Definition)
    return found


@pytest.mark.parametrize(
    ("new", "takes"),
    [
        ("def f(a, b=1, *, c=2): ...", True),
        ("def f(a, b=1, d=3, *, c=2, e=4, **more): ...", True),
        ("def f(a, b, *, c=2): ...", False),
        ("def f(a, b=1, *, c): ...", False),
        ("def f(a, b=1, *, c=2, d): ...", False),
        ("def f(b, a=1, *, c=2): ...", False),
        ("def f(a, *, b=1, c=2): ...", False),
        ("def f(project, a, b=1, *, c=2): ...", False),
        ("async def f(a, b=1, *, c=2): ...", False),
        ("@property\ndef f(a, b=1, *, c=2): ...", False),
        ("f = 1", False),
        ("class f: ...", False),
    ],
)
def test_whether_old_calls_work_is_seen_by_the_parameters(new: str, takes: bool) -> None:
    old = definition("def f(a, b=1, *, c=2): ...")
    assert takes_as_before(old, definition(new)) is takes


def test_a_first_parameter_can_be_given() -> None:
    old = definition("def f(a): ...")
    assert takes_as_before(old, definition("def f(project, a): ..."), first="project")
    assert not takes_as_before(old, definition("def f(a): ..."), first="project")
    assert not takes_as_before(old, definition("def f(project, a, b): ..."), first="project")


def test_changed_members_of_a_class_are_named() -> None:
    old = definition(
        "class A:\n    x: int\n    y: int\n    def f(self): ...\n    def _g(self): ..."
    )
    new = definition("class A:\n    x: int\n    z: int\n    @property\n    def f(self): ...")
    assert changed_members(old, new) == {"y", "f"}


@pytest.mark.parametrize(
    ("imported", "is_package", "module"),
    [("a.b", False, "a.b"), (".b", False, "p.q.b"), (".b", True, "p.q.r.b"), ("..", False, "p")],
)
def test_relative_imports_are_resolved(imported: str, is_package: bool, module: str) -> None:
    assert absolute(imported, "p.q.r", is_package) == module


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OldNames:
    """A package before an update, and what there is after it."""
    files = {
        "before/src/p/__init__.py": "",
        "before/src/p/old.py": "def f(a): ...\ndef g(a): ...\ndef _h(): ...\nV = 1\nGONE = 1\n",
        "before/src/p/kept.py": "from .old import f\nX = 1\nY = 2\n",
        "now/src/p/__init__.py": "",
        "now/src/p/kept.py": "X = 1\n",
        "library/alembic_live/__init__.py": '__all__ = ["f"]\n',
        "library/alembic_live/new.py": "def f(a): ...\ndef g(project, a): ...\ndef _h(): ...\nV = 2\n",
        "library/alembic_live/other.py": "V = 3\nY = 4\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    monkeypatch.chdir(tmp_path / "now")
    moves = {"src/p/old.py": "packages/x/src/alembic_live/new.py"}
    return OldNames("p", tmp_path / "before", [tmp_path / "library"], moves)


def found(names: OldNames, code: str, path: str = "src/p/ours.py") -> set[str]:
    """What of the imports of a file is gone."""
    return {f"{each.module}:{each.name}" for each in names.references(path, code)}


def test_what_a_file_takes_from_a_module_is_found(names: OldNames) -> None:
    assert found(names, "from p.old import f") == {"p.old:f"}
    assert found(names, "from .old import f as other") == {"p.old:f"}
    assert found(names, "import p.old as o\no.g()\no.missing") == {"p.old:", "p.old:g"}
    assert found(names, "from p import old\nold.g.cache") == {"p.old:", "p.old:g"}
    assert found(names, "import p.old\np.old.V + p.kept.Y") == {"p.old:", "p.old:V", "p.kept:Y"}
    everything = {f"p.old:{name}" for name in ("f", "g", "V", "GONE")}
    assert found(names, "from p.old import *") == everything
    assert found(names, "def f():\n    from p.old import g") == {"p.old:g"}


def test_what_is_there_or_never_was_is_not_found(names: OldNames) -> None:
    assert found(names, "import p, os\nfrom p.kept import X\nfrom p.old import nothing") == set()
    assert found(names, "from p.never import x\nfrom other.old import f") == set()


@pytest.mark.parametrize(
    ("name", "imports", "code"),
    [
        ("f", ["from alembic_live import f"], ""),
        ("V", ["from alembic_live.new import V"], ""),
        (
            "g",
            ["from functools import partial", "from alembic_live.new import g as _g"],
            "g = partial(_g, _project)\n",
        ),
    ],
)
def test_a_name_is_found_where_its_file_went(
    names: OldNames, name: str, imports: list[str], code: str
) -> None:
    wanted = [
        Import(line.split()[1], line.split()[3], "".join(line.split()[5:])) for line in imports
    ]
    assert names.replacement("p.old", name) == Replacement(wanted, code)


def test_a_name_without_a_successor_has_a_reason(names: OldNames) -> None:
    assert names.replacement("p.old", "_h") == "it has no successor"
    assert names.replacement("p.old", "GONE") == "it has no successor"


def test_texts_that_name_what_is_gone_are_found(names: OldNames) -> None:
    text = "omit = src/p/old\n- p.old:f p.kept.Y p.kept.X\nother.p.old.never\n"
    mentions = [*names.mentions("x.toml", text)]
    assert mentions == [
        Reference("p.old", "", "x.toml", 1),
        Reference("p.old", "", "x.toml", 2),
        Reference("p.kept", "Y", "x.toml", 2),
        Reference("p.old", "never", "x.toml", 3),
    ]


def test_unbound_names_are_what_nothing_defines() -> None:
    code = (
        "import a.b\nfrom c import d as e\nx: int = lost1\n"
        "def f(y, *z: lost2) -> None:\n    global g\n    g = [y for w in z]\n    lost3(len(w2 := e))\n"
        "class K(a.K):\n    m: str\n    def n(self): return __file__, g, K, lost4.x\n"
    )
    assert unbound(code) == {"lost1", "lost2", "lost3", "lost4"}


def test_lost_names_come_back_with_what_they_need() -> None:
    team = "import os\nfrom .old import V\n\nA = os.name\nB = A + str(V)\n\n\ndef helper():\n    return B\n"
    text = '"""Doc."""\n\n\ndef ours():\n    return helper()\n'
    assert with_lost_names(text, team, "p", lambda each: each) == (
        '"""Doc."""\n\nimport os\n\nfrom .old import V\n\nA = os.name\n\nB = A + str(V)\n\n\n'
        "def helper():\n    return B\n\n\ndef ours():\n    return helper()\n"
    )


def test_a_definition_comes_before_its_use() -> None:
    text = with_lost_names("B = A + 1\n", "A = 1\nB = A + 1\n", "p", lambda each: each)
    assert text == "A = 1\n\nB = A + 1\n"


def test_what_a_team_added_to_a_module_is_left_alone() -> None:
    base = '"""Errors."""\n\n\nclass A(Exception): ...\n'
    added = "\n\nclass B(A): ...\n"

    def today(each: Import) -> Import:
        return Import("alembic_live", each.name, "")

    text = own_definitions(base.encode(), (base + added).encode(), "p", today)
    assert text == '"""Errors."""\n\nfrom alembic_live import A as A\n\n\nclass B(A): ...\n'
    for team in (
        base,
        (base + added).replace("A(Exception)", "A(ValueError)"),
        f"{base}# ours\n{added}",
        f"{base}\n\nprint(A)\n",
        f"import os  # ours\n{base}{added}",
    ):
        assert own_definitions(base.encode(), team.encode(), "p", today) is None


@pytest.mark.parametrize(
    ("text", "wanted", "result"),
    [
        ("import b\n", Import("a", "", ""), "import a\nimport b\n"),
        ("from b import y\n", Import("b", "x", ""), "from b import x, y\n"),
        ("from b import y  # why\n", Import("b", "x", ""), "from b import y  # why\nfrom b import x\n"),
        ("from b import y\n", Import("b", "", ""), "import b\nfrom b import y\n"),
        ("import b\n\nfrom .c import d\n", Import("p.x", "y", ""), "import b\n\nfrom p.x import y\n\nfrom .c import d\n"),
        ("from .c import d\n", Import("..c", "d", ""), "from ..c import d\nfrom .c import d\n"),
        ('"""Doc."""\n\nx = 1\n', Import("os", "", ""), '"""Doc."""\n\nimport os\n\nx = 1\n'),
        ("import z\n", Import("os", "", ""), "import os\n\nimport z\n"),
        ("import os\n", Import("z", "", ""), "import os\n\nimport z\n"),
        ("from b import Cc, a\n", Import("b", "DD", ""), "from b import DD, Cc, a\n"),
        ("import b\n", Import("b", "", ""), "import b\n"),
    ],
)  # fmt: skip
def test_an_import_goes_where_ruff_wants_it(text: str, wanted: Import, result: str) -> None:
    assert with_imports(text, [wanted], "p") == result
    assert with_imports(result, [wanted], "p") == result


def test_a_module_that_cannot_be_parsed_defines_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("y = 1\nx = (\n")
    assert Modules(tmp_path).definitions("a") == {}


@pytest.mark.parametrize("base", ["", "||||||| last update\nold = 0\n"])
def test_a_module_with_a_conflict_defines_what_both_sides_do(tmp_path: Path, base: str) -> None:
    (tmp_path / "a.py").write_text(
        'first = """\n=======\n"""\n<<<<<<< before updating\nours = (\n'
        f"{base}=======\ntheirs = (\n>>>>>>> after updating\n    1\n)\n"
    )
    assert set(Modules(tmp_path).definitions("a")) == {"first", "ours", "theirs"}
    assert sides((tmp_path / "a.py").read_bytes()) == (
        b'first = """\n=======\n"""\nours = (\n    1\n)\n',
        b'first = """\n=======\n"""\ntheirs = (\n    1\n)\n',
    )
