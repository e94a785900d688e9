"""`db lint` finds what is dangerous in new revisions, at the line that does it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from edit import edit
from project import Project, commit, run, said
from sample import NewProject

UP = '    """Bring the schema to this revision."""\n'
DOWN = '    """Take the schema back to the revision before."""\n'
UNDO = '    op.execute("SELECT 1")\n'


@pytest.fixture
def project(new_project: NewProject) -> Project:
    """A project whose first revision is on the main branch."""
    project = new_project()
    project.environment.clear()  # it needs no database
    commit(project.path)
    return project


def write_revision(project: Project, up: str, down: str = UNDO, name: str = "new") -> Path:
    """A revision by hand."""
    project.alembic("revision", "-m", name)
    path = project.file(f"migrations/versions/*_{name}.py")
    edit(path, UP, UP + up)
    edit(path, DOWN, DOWN + down)
    return path


def line_of(path: Path, text: str) -> int:
    return path.read_text()[: path.read_text().index(text)].count("\n") + 1


def test_a_new_project_has_nothing_to_find(project: Project) -> None:
    done = project.db("lint")
    assert "0 new revisions since" in done.stdout
    assert "no findings" in project.db("lint", "base:head").stdout


DANGERS = {
    "a change of all rows, below a comment": (
        '    op.execute("-- all of them\\nUPDATE notes SET body = title")\n',
        "many-rows-in-one-transaction",
        "update_in_batches(…)",
    ),
    "a blocking index": (
        '    op.create_index("ix", "notes", ["body"])\n',
        "require-concurrent-index-creation",
        "create_index_concurrently(…)",
    ),
    "a foreign key that reads the table": (
        '    op.create_foreign_key("fk", "notes", "others", ["id"], ["id"])\n',
        "adding-foreign-key-constraint",
        "create_foreign_key_concurrently(…)",
    ),
    "NOT NULL that reads the table": (
        '    op.alter_column("notes", "body", nullable=False)\n',
        "adding-not-nullable-field",
        "set_not_null_concurrently(…)",
    ),
    "a dropped column": (
        '    op.drop_column("notes", "body")\n',
        "ban-drop-column",
        "first deploy code that does not use it",
    ),
    "another type": (
        '    op.alter_column("notes", "id", type_=sa.BigInteger())\n',
        "changing-column-type",
        "add a second column with the new type",
    ),
    "SQL": (
        '    op.execute(\n        """\n        ALTER TABLE notes\n        ADD UNIQUE (title)\n        """\n    )\n',
        "disallowed-unique-constraint",
        "create_unique_constraint_concurrently(…)",
    ),
}


@pytest.mark.parametrize(("up", "rule", "remedy"), DANGERS.values(), ids=DANGERS.keys())
def test_a_danger_is_shown_at_its_line_with_what_to_write_instead(
    project: Project, up: str, rule: str, remedy: str
) -> None:
    path = write_revision(project, up)
    done = project.db("lint", ok=False)
    assert done.returncode == 1
    place = f"migrations/versions/{path.name}:{line_of(path, up)}"
    assert f"{place}: {rule}: " in done.stdout
    assert remedy in done.stdout
    edit(path, up, f"    # squawk-ignore {rule}: nobody uses it\n{up}")
    allowed = project.db("lint", ok=False)
    assert f"{rule}: " not in allowed.stdout


def test_an_annotation_for_github(project: Project) -> None:
    up = '    op.drop_column("notes", "body")\n'
    path = write_revision(project, up)
    done = project.db("lint", "--github", ok=False)
    place = f"file=migrations/versions/{path.name},line={line_of(path, up)}"
    assert f"::error {place},title=ban-drop-column::" in done.stdout
    assert done.returncode == 1


def test_an_annotation_names_the_file_from_the_root_of_the_repository(project: Project) -> None:
    shutil.rmtree(project.path / ".git")
    for words in (["init", "--quiet"], ["commit", "--quiet", "--allow-empty", "-m", "empty"]):
        run("git", *words, cwd=project.path.parent)
    path = write_revision(project, '    op.drop_column("notes", "body")\n')
    done = project.db("lint", "--github", ok=False)
    place = f"{project.path.name}/migrations/versions/{path.name}"
    assert f"::error file={place}," in done.stdout


def test_sarif(project: Project) -> None:
    up = '    op.drop_column("notes", "body")\n'
    path = write_revision(project, up)
    done = project.db("lint", "--sarif", ok=False)
    assert done.returncode == 1
    [run_] = json.loads(done.stdout)["runs"]
    [result] = run_["results"]
    assert (result["ruleId"], result["level"]) == ("ban-drop-column", "error")
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == f"migrations/versions/{path.name}"
    assert place["region"]["startLine"] == line_of(path, up)


def test_a_shallow_clone_says_what_it_lacks(project: Project) -> None:
    write_revision(project, '    op.execute("SELECT 1")\n')
    commit(project.path)
    clone = project.path.parent / "clone"
    run("git", "clone", "--quiet", "--depth=1", f"file://{project.path}", clone, cwd=project.path)
    run("git", "checkout", "--quiet", "--orphan", "other", cwd=clone)
    run("git", "-c", "user.name=T", "-c", "user.email=t@t", "commit", "-qm", "other", cwd=clone)
    done = project.db("-c", str(clone / "alembic.ini"), "lint", "--since", "HEAD~1", ok=False)
    assert "git has no such commit. The clone lacks older commits: git fetch --unshallow" in said(
        done
    )
    done = project.db("-c", str(clone / "alembic.ini"), "lint", ok=False)
    assert "origin/HEAD and this branch have no commit in common." in said(done)


def test_a_longer_text_is_no_danger(project: Project) -> None:
    call = '    op.alter_column("notes", "title", type_={}, existing_type={})\n'
    path = write_revision(project, call.format("sa.String(500)", "sa.String(200)"))
    assert "no findings" in project.db("lint").stdout
    edit(path, "sa.String(500)", "sa.Text()")
    assert "no findings" in project.db("lint").stdout
    edit(path, "sa.Text()", "sa.String(100)")
    assert "changing-column-type" in project.db("lint", ok=False).stdout
    edit(path, ", existing_type=sa.String(200)", "")
    edit(path, "sa.String(100)", "sa.String(500)")
    assert "changing-column-type" in project.db("lint", ok=False).stdout


def test_a_revision_that_fails_without_a_database_too_is_a_finding(project: Project) -> None:
    up = '    op.create_tabel("notes")\n'
    path = write_revision(project, up)
    done = project.db("lint", ok=False)
    assert f"{path.name}:{line_of(path, up)}: broken-revision: The upgrade fails." in done.stdout
    assert "reads the database" not in done.stdout
    edit(path, up, "    op.execute(missing)\n")
    done = project.db("lint", ok=False)
    assert "broken-revision: The upgrade fails. NameError: name 'missing'" in done.stdout
    shown = project.db("plan", ":").stdout
    assert f"{path.name}:{line_of(path, '    op.execute(missing)')}: NameError: " in shown


def test_a_range_is_that_of_plan(project: Project) -> None:
    paths = [
        write_revision(project, f'    op.drop_column("notes", "{column}")\n', name=column)
        for column in ("body", "title")
    ]
    one, two = (path.name.split("-")[1].split("_")[0] for path in paths)
    for revisions, found in (
        (f"{one}:{two}", "1 finding."),
        (f"{one}:+1", "1 finding."),
        (f"{one}:", "1 finding."),
        (":", "2 findings."),
        (f"{two}:{one}", "no findings."),
        (f"{two}:base", "1 finding."),  # an index that the downgrade drops
    ):
        ok = found == "no findings."
        steps = json.loads(project.db("plan", revisions, "--json").stdout)["steps"]
        number = f"{len(steps)} revision{'' if len(steps) == 1 else 's'} of {revisions}"
        assert f"{number}: {found}" in project.db("lint", revisions, ok=ok).stdout


def test_a_rule_is_explained_with_unsafe_and_safe_code(project: Project) -> None:
    done = project.db("lint", "--explain", "ban-drop-column")
    assert 'Unsafe:\n    op.drop_column("notes", "pages")\nSafe:\n' in done.stdout
    unknown = project.db("lint", "--explain", "nonsense", ok=False)
    assert "no explanation of 'nonsense'" in said(unknown)


def test_a_reason_is_asked_for(project: Project) -> None:
    write_revision(
        project, '    # squawk-ignore ban-drop-column\n    op.drop_column("notes", "body")\n'
    )
    done = project.db("lint", ok=False)
    assert "ignored-without-a-reason" in done.stdout
    assert "ban-drop-column: Dropping" in done.stdout


def test_a_file_is_ignored_as_a_whole_with_a_reason(project: Project) -> None:
    path = write_revision(
        project, '    op.drop_column("notes", "body")\n    op.drop_table("notes")\n'
    )
    edit(path, "\n\ndef upgrade", "\n# squawk-ignore-file ban-drop-column: unused\n\n\ndef upgrade")
    done = project.db("lint", ok=False)
    assert "ban-drop-table" in done.stdout
    assert "ban-drop-column" not in done.stdout
    edit(path, "-file ban-drop-column: unused", "-file: unused")
    assert "no findings" in project.db("lint").stdout
    edit(path, "-file: unused", "-file")
    done = project.db("lint", ok=False)
    assert "ignores all rules without a reason" in done.stdout
    assert "ban-drop-column" in done.stdout


def test_what_nobody_notices_is_no_danger(project: Project) -> None:
    write_revision(
        project,
        '    op.execute("ALTER INDEX pk_notes RENAME TO pk")\n'
        '    op.execute("ALTER TABLE notes RENAME CONSTRAINT pk TO pk_notes")\n'
        '    pages = sa.Column("pages", sa.Integer, sa.Computed("id + 1", persisted=False))\n'
        '    op.add_column("notes", pages)\n',
    )
    assert "no findings" in project.db("lint").stdout


def test_sql_of_any_kind_is_checked_however_it_is_run(project: Project) -> None:
    path = write_revision(project, '    run_sql("DROP TABLE notes")\n')
    edit(path, "import op\n", "import op\nfrom alembic_live.operations import run_sql\n")
    assert "ban-drop-table" in project.db("lint", ok=False).stdout


def test_what_the_operations_do_is_not_found_fault_with(project: Project) -> None:
    calls = {
        "create_index_concurrently": '"ix", "notes", ["body"]',
        "create_check_constraint_concurrently": '"ck", "notes", "body <> \'\'"',
        "create_unique_constraint_concurrently": '"uq", "notes", ["title"]',
        "set_not_null_concurrently": '"notes", "body"',
        "drop_not_null": '"notes", "title"',
        "drop_constraint_if_exists": '"ck", "notes"',
        "drop_index_concurrently": '"ix", "notes"',
    }
    path = write_revision(project, "".join(f"    {name}({args})\n" for name, args in calls.items()))
    imports = f"from alembic_live.operations import {', '.join(calls)}\n"
    edit(path, "from alembic import op\n", f"from alembic import op\n{imports}")
    assert project.db("lint").returncode == 0


def test_a_revision_that_reads_the_database_is_looked_at_as_far_as_it_goes(
    project: Project,
) -> None:
    write_revision(
        project,
        '    op.drop_column("notes", "body")\n'
        '    rows = op.get_bind().execute(sa.text("SELECT 1")).fetchall()\n'
        "    assert rows\n",
    )
    done = project.db("lint", ok=False)
    assert "ban-drop-column" in done.stdout
    assert "reads the database, so only the SQL before that was checked" in done.stdout


def edited(project: Project) -> None:
    path = project.versions[0]
    edit(path, "length=200", "length=300")


def deleted(project: Project) -> None:
    write_revision(project, UNDO)
    new = project.file("migrations/versions/*_new.py")
    edit(new, '= "5f0e1c2d3a4b"', "= None")
    project.versions[0].unlink()
    project.db("record_head")


def two_heads(project: Project) -> None:
    for name in ("one", "two"):
        project.alembic("revision", "-m", name, "--head", "5f0e1c2d3a4b", "--splice")


def one_id_twice(project: Project) -> None:
    shutil.copy(project.versions[0], project.versions[0].with_name("copy.py"))


def does_nothing(project: Project) -> None:
    project.alembic("revision", "-m", "empty")


def no_way_back(project: Project) -> None:
    write_revision(project, UNDO, "")


def another_head_recorded(project: Project) -> None:
    (project.path / "migrations" / "head.txt").write_text("elsewhere\n")


@pytest.mark.parametrize(
    ("mistake", "rule"),
    [
        (edited, "edited-revision"),
        (deleted, "deleted-revision"),
        (two_heads, "several-heads"),
        (one_id_twice, "unsound-history"),
        (does_nothing, "empty-upgrade"),
        (no_way_back, "empty-downgrade"),
        (another_head_recorded, "head-file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_sql_cannot_show(
    project: Project, mistake: Callable[[Project], None], rule: str
) -> None:
    mistake(project)
    done = project.db("lint", ok=False)
    assert done.returncode == 1
    assert f": {rule}: " in done.stdout
    assert "Traceback" not in said(done)


def test_a_comment_or_a_layout_is_no_edit(project: Project) -> None:
    path = project.versions[0]
    edit(path, "def upgrade", "# A comment.\n\n\ndef upgrade")
    project.db("lint")


def test_new_means_new_since_a_commit_or_since_the_main_branch(project: Project) -> None:
    write_revision(project, '    op.drop_column("notes", "body")\n')
    assert "1 new revision since" in project.db("lint", ok=False).stdout
    commit(project.path)  # on main
    assert project.db("lint").returncode == 0
    assert "1 new revision since" in project.db("lint", "--since", "HEAD~1", ok=False).stdout
    run("git", "switch", "--quiet", "--create", "branch", cwd=project.path)
    write_revision(project, '    op.drop_column("notes", "title")\n', name="other")
    commit(project.path)
    done = project.db("lint", ok=False)
    assert "1 new revision since" in done.stdout
    assert "_other.py" in done.stdout
    both = project.db("lint", "5f0e1c2d3a4b:head", ok=False).stdout
    assert both.count("ban-drop-column: ") == 2
    assert "2 revisions of 5f0e1c2d3a4b:head: 2 findings." in both
    unknown = project.db("lint", "--since", "nowhere", ok=False)
    assert "git has no such commit" in said(unknown)
    assert "Traceback" not in said(unknown)


def test_a_revision_that_reads_the_database_is_not_called_wrong(project: Project) -> None:
    path = write_revision(project, "    sa.inspect(op.get_bind())\n", name="secrets")
    note = project.db("lint", ok=False).stdout
    assert "No inspection system is available" in note
    assert f"{path.name}:" in note
    assert "Correct the revision" not in note


def test_without_git_every_revision_is_new(project: Project) -> None:
    shutil.rmtree(project.path / ".git")
    done = project.db("lint")
    assert "1 new revision: no findings" in done.stdout
