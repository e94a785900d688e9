"""The formats of a plan: Markdown for a comment, SARIF, annotations."""

import json
import re
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import plans
import pytest
from alembic_live import Project
from alembic_live.commands.lint.findings import WARNING, Finding, annotations
from alembic_live.commands.lint.rules import RULES
from alembic_live.commands.lint.sarif import as_sarif
from alembic_live.commands.plan import command
from alembic_live.commands.plan.analysis import Loss
from alembic_live.commands.plan.budget import READS, REWRITE, WRITES
from alembic_live.commands.plan.plan import Step
from alembic_live.commands.plan.rehearsal.effects import LockMode, RelationName, WorkKind
from alembic_live.commands.plan.reports.document import as_object
from alembic_live.commands.plan.reports.escaping import code, comment, fenced, prose
from alembic_live.commands.plan.reports.findings import findings_of
from alembic_live.commands.plan.reports.markdown import as_markdown
from alembic_live.commands.plan.reports.way_back import way_back
from plan_schema import check_plan, plan_schema
from project import run

MOST = 65_536  # characters of a comment on GitHub


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = plans.project_in(tmp_path)
    plans.write(project, "new", "old", "Drop the body")
    return project


# ---- text of others in Markdown ---------------------------------------------------------------

# Each was a fault of some program that comments on pull requests.
TEXTS = {
    "@here and @bob": ("@&#8203;here and @&#8203;bob", "<code>&#64;here and &#64;bob</code>"),
    "fixes #12": ("fixes #&#8203;12", "<code>fixes &#35;12</code>"),
    "GH-12": ("GH&#8203;-12", "`GH-12`"),
    "a|b": ("a&#124;b", "<code>a&#124;b</code>"),
    r"a\|b": ("a&#92;&#124;b", "<code>a&#92;&#124;b</code>"),
    "`a`": ("&#96;a&#96;", "<code>&#96;a&#96;</code>"),
    "</details><b>": (
        "&#60;/details&#62;&#60;b&#62;",
        "<code>&#60;/details&#62;&#60;b&#62;</code>",
    ),
    "a &lt; b": ("a &#38;lt; b", "<code>a &#38;lt; b</code>"),
    "ix_notes_title": ("ix_notes_title", "`ix_notes_title`"),
    "_x_ __y__": (
        "&#95;x&#95; &#95;&#95;y&#95;&#95;",
        "<code>&#95;x&#95; &#95;&#95;y&#95;&#95;</code>",
    ),
    "$1 *2* ~3~ [4](5)": (
        "&#36;1 &#42;2&#42; &#126;3&#126; &#91;4&#93;(5)",
        "<code>&#36;1 &#42;2&#42; &#126;3&#126; &#91;4&#93;(5)</code>",
    ),
    "- a": ("&#45; a", "<code>- a</code>"),
    "1. a": ("&#49;. a", "<code>1. a</code>"),
    "# a": ("&#35;&#8203; a", "<code>&#35; a</code>"),
    "https://x.y www.x.y": (
        "https&#58;//x.y &#119;ww.x.y",
        "<code>https&#58;//x.y &#119;ww.x.y</code>",
    ),
    "a:key:b": ("a:&#8203;key:b", "`a:key:b`"),
    "notes.py:20: no": ("notes.py:20: no", "<code>notes.py:20: no</code>"),
    "a\nb\u202e": (r"a&#92;nb&#92;u202e", r"<code>a&#92;nb&#92;u202e</code>"),
    "": ("", "<code></code>"),
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_of_others_stays_text(text: str) -> None:
    assert (prose(text), code(text)) == TEXTS[text]


def test_a_block_ends_where_its_text_ends() -> None:
    assert fenced("diff", ["+a", "+```", "+````sql"]) == [
        "`````diff", "+a", "+```", "+````sql", "`````",
    ]  # fmt: skip
    assert comment("a --> b ---") == "<!-- a -&#45;&gt; b -&#45;- -->"


# ---- Markdown ---------------------------------------------------------------------------------


def test_the_report_says_what_a_reviewer_must_know(project: Project) -> None:
    finding = Finding(project.folder / "migrations/versions/new.py", 11, "ban-drop-column", "No.")
    step = plans.step(
        project,
        "new",
        locks=(
            plans.lock(plans.NOTES, LockMode.ACCESS_EXCLUSIVE, WorkKind.READS),
            plans.lock(RelationName("public", "users"), LockMode.SHARE_ROW_EXCLUSIVE),
            plans.lock(RelationName("public", "fresh"), is_new=True),
            plans.lock(RelationName("public", "calm"), LockMode.SHARE_UPDATE_EXCLUSIVE),
        ),
        losses=(Loss("column", "body", plans.NOTES),),
        findings=(finding,),
        replication=("Subscribers need the column first",),
    )
    text = as_markdown(project, plans.plan(step, difference="@@ table notes @@\n-    body text,"))
    assert text.startswith("<!-- alembic-live: db plan -->\n### Migrations\n")
    assert (
        "**Blocks reading and writing** of notes. **Blocks writing** of users. **Loses data:** "
        "column notes.body, of about 3,000 rows. 1 finding of `db lint`.\n" in text
    )
    assert "| `new` | Drop the body |" in text
    assert (
        "| `new` | 11 | notes (1,024 kB, about 3,000 rows) | ACCESS EXCLUSIVE | "
        "reading and writing | for under a second, while it reads notes |\n" in text
    )
    assert "| users (size unknown) | SHARE ROW EXCLUSIVE | writing | for a moment |" in text
    assert "fresh" not in text
    assert "calm" not in text
    assert "- `new`: column notes.body, of about 3,000 rows" in text
    assert "- `migrations/versions/new.py:11` `ban-drop-column`: No." in text
    assert "- `new`: Subscribers need the column first" in text
    assert "```sh\nuv run alembic downgrade old\n```\n\nLost data stay lost.\n" in text
    assert (
        "<details>\n<summary>Difference of the schema: 1 object</summary>\n\n```diff\n"
        "@@ table notes @@\n-    body text,\n```\n</details>\n" in text
    )
    assert "Fails" not in text


def test_what_fails_comes_first(project: Project) -> None:
    path = plans.write(project, "later", "new")
    failure = f"{project.folder}/migrations/versions/new.py:11: KeyError: 'a|b'"
    steps = (
        plans.step(project, "new", failure=failure),
        plans.step(project, "later", failure="not run, because new fails"),
    )
    text = as_markdown(project, plans.plan(*steps))
    assert "\n**`new` fails.**\n" in text
    assert "- `new`: migrations/versions/new.py:11: KeyError: 'a&#124;b'\n" in text
    assert "- 1 later revision could not be rehearsed.\n" in text
    assert str(path.parent) not in text
    assert "no data" not in text


def test_what_goes_beyond_the_limits_is_seen_first(project: Project) -> None:
    path = project.folder / "migrations/versions/new.py"
    beyond = Finding(path, 11, "allow_rewrite", "notes: rewritten.", "split it")
    failure = Finding(path, 11, "fails", "It is 5% wrong.")
    lint = Finding(path, 12, "ban-drop-column", "No.")
    step = full_step(project)
    step.findings.extend([lint, beyond])
    plan = plans.plan(step, beyond_limits=[failure, beyond])
    text = as_markdown(project, plan)
    assert "**Goes beyond the limits.**" in text
    assert "1 finding of `db lint`." in text
    item = "- `migrations/versions/new.py:11` `allow_rewrite`: notes: rewritten. Instead: split it."
    assert f"#### Beyond the limits\n\n{item}\n\n#### Locks" in text
    assert text.count("allow_rewrite") == 1
    assert text.index("#### Lint\n\n- `migrations/versions/new.py:12` `ban-drop-column`")
    found = findings_of(project, plan)
    assert [each.rule for each in found][:2] == ["allow_rewrite", "fails"]
    assert [each.rule for each in found].count("fails") == 1
    [run_] = as_sarif(project, "plan", [beyond])["runs"]
    assert "helpUri" not in run_["tool"]["driver"]["rules"][0]  # the rule is ours


def test_every_limit_is_explained() -> None:
    assert {
        *(READS, WRITES, REWRITE),
        "fails",
        "blocks-reads",
        "blocks-writes",
        "blocks-rows",
        "loses-data",
    } <= (RULES.keys())


def test_a_calm_plan_says_so(project: Project) -> None:
    text = as_markdown(project, plans.plan(plans.step(project, "new")))
    assert "\nBlocks no reading and no writing. Loses no data.\n" in text
    assert "####" in text.replace("#### How to go back", "", 1) or text.count("####") == 1


def test_the_projects_of_one_repository_have_comments_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "services" / "a--b"
    folder.mkdir(parents=True)
    run("git", "init", "--quiet", cwd=tmp_path)
    text = as_markdown(plans.project_in(folder), plans.plan())
    first, title, *_ = text.split("\n")
    assert first == "<!-- alembic-live: db plan of services/a-&#45;b -->"
    assert title == "### Migrations of `services/a--b`"


def huge(project: Project, number: int = 3_000) -> Any:
    """A plan that has too much of everything."""
    path = project.folder / "migrations/versions/new.py"
    names = [RelationName("public", f"a_{'long_' * 8}table_|_{each}") for each in range(number)]
    step = plans.step(
        project,
        "new",
        locks=tuple(plans.lock(name, LockMode.SHARE, WorkKind.READS) for name in names),
        losses=tuple(Loss("table", table=name) for name in names),
        findings=tuple(Finding(path, 11, "ban-drop-table", "😀" * 300) for _ in names),
        replication=tuple(f"Subscribers need {name.name}" for name in names),
        failure="x|" * 5_000,
    )
    return plans.plan(step, difference="\n".join(f"+{name.name}" for name in names))


def test_a_long_report_is_shortened_where_it_matters_least(project: Project) -> None:
    text = as_markdown(project, huge(project))
    assert 60_000 < len(text.encode("utf-16-le")) // 2 <= MOST
    assert text.count("| `new` | 11 |") > 200
    assert text.count("2,990 more lines are left out: the comment would be too long.") == 4
    assert text.count("`" * 3) % 2 == 0
    assert "uv run alembic downgrade old" in text
    short = as_markdown(project, huge(project, 40))
    assert "left out" not in short.split("#### Lint")[0]


def test_only_the_difference_is_cut_if_that_is_enough(project: Project) -> None:
    lines = [f"+line {number:04}" for number in range(20_000)]
    step = plans.step(project, "new", locks=(plans.lock(),))
    text = as_markdown(project, plans.plan(step, difference="\n".join(lines)))
    assert MOST - 1_000 < len(text) <= MOST
    head, _, end = text.partition("```diff")
    assert "left out" not in head
    assert re.search(r"\n```\n</details>\n\n1\d,\d{3} more lines are left out: ", end)


# ---- how to go back ---------------------------------------------------------------------------


def test_the_way_back_names_each_branch(project: Project) -> None:
    for name, follows in {
        "other": "old",
        "join": ("new", "other"),
        "root": None,
        "x": "root",
    }.items():
        plans.write(project, name, follows)
    steps = [plans.step(project, name) for name in ("join", "root", "x")]
    found = way_back(project, plans.plan(*steps, current=("new", "other")))
    assert found.commands == ["uv run alembic downgrade new", "uv run alembic downgrade root@base"]
    assert way_back(project, plans.plan(*steps, current=())).commands == [
        "uv run alembic downgrade base"
    ]
    down = plans.plan(plans.step(project, "new"), current=("new", "o'd"), is_downgrade=True)
    assert way_back(project, down).commands == [
        "uv run alembic upgrade new", "uv run alembic upgrade 'o'\"'\"'d'",
    ]  # fmt: skip


def test_a_revision_that_cannot_be_undone_is_named(project: Project) -> None:
    plans.write(project, "new", "old", down='raise NotImplementedError("Rows are *merged*.")')
    text = as_markdown(project, plans.plan(plans.step(project, "new")))
    assert "#### How to go back\n\n- new cannot be undone: Rows are &#42;merged&#42;.\n" in text
    assert "alembic downgrade" not in text


# ---- findings ---------------------------------------------------------------------------------


def full_step(project: Project) -> Step:
    """A revision with all kinds of findings."""
    return plans.step(
        project,
        "new",
        locks=(
            plans.lock(plans.NOTES, LockMode.ACCESS_EXCLUSIVE),
            plans.lock(RelationName("public", "b"), LockMode.SHARE, WorkKind.READS, line=12),
            plans.lock(RelationName("public", "c"), LockMode.ACCESS_EXCLUSIVE, WorkKind.REWRITES),
            plans.lock(RelationName("public", "d"), LockMode.ROW_EXCLUSIVE, WorkKind.CHANGES),
            plans.lock(RelationName("public", "e"), is_new=True),
        ),
        losses=(Loss("column", "body", plans.NOTES), Loss("schema", "s")),
        failure="It is 5% wrong, a: b.",
    )


def found(project: Project) -> list[Finding]:
    return findings_of(project, plans.plan(full_step(project)))


def test_the_worst_comes_first(project: Project) -> None:
    assert [(each.level, each.rule, each.line) for each in found(project)] == [
        ("error", "fails", 10),
        ("error", "blocks-reads", 11),
        ("warning", "blocks-writes", 12),
        ("warning", "loses-data", 11),
        ("warning", "loses-data", 10),
        ("note", "blocks-reads", 11),
        ("note", "blocks-rows", 11),
    ]


def test_annotations_have_the_level_of_the_finding(project: Project) -> None:
    lines = list(annotations(project, found(project)))
    path = "file=migrations/versions/new.py"
    assert lines[0] == f"::error {path},line=10,title=fails::It is 5%25 wrong, a: b."
    assert lines[2].startswith(f"::warning {path},line=12,title=blocks-writes::b (size unknown): ")
    assert lines[-1].startswith(f"::notice {path},line=11,title=blocks-rows::d (size unknown)")


def test_sarif_has_what_code_scanning_needs(project: Project) -> None:
    log = as_sarif(project, "plan", found(project), ["Not linted: no Squawk"])
    assert log["version"] == "2.1.0"
    [run_] = log["runs"]
    rules = run_["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted({each.rule for each in found(project)})
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["help"]["markdown"]
    assert run_["automationDetails"]["id"] == "alembic-live/plan/"
    [said] = run_["invocations"][0]["toolExecutionNotifications"]
    assert said["message"]["text"] == "Not linted: no Squawk"
    prints = set()
    for result, finding in zip(run_["results"], found(project), strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == finding.rule
        assert result["level"] == finding.level
        assert result["message"]["text"] == finding.message
        [location] = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "migrations/versions/new.py"
        assert place["region"] == {"startLine": finding.line}
        prints.add(result["partialFingerprints"]["primaryLocationLineHash"])
    assert len(prints) == len(run_["results"])
    assert json.loads(json.dumps(log)) == log


def fingerprints(project: Project, findings: list[Finding]) -> list[str]:
    [run_] = as_sarif(project, "lint", findings)["runs"]
    return [each["partialFingerprints"]["primaryLocationLineHash"] for each in run_["results"]]


def test_a_fingerprint_survives_other_lines_and_other_texts(project: Project) -> None:
    path = project.folder / "migrations/versions/new.py"
    before = fingerprints(project, [Finding(path, 11, "ban-drop-column", "No.")])
    path.write_text("# one\n# two\n" + path.read_text())
    twice = [Finding(path, 13, "ban-drop-column", f"No, {size} kB.") for size in (1, 2)]
    after = fingerprints(project, twice)
    assert after[0] == before[0]
    assert after[0].removesuffix(":1") == after[1].removesuffix(":2")
    assert fingerprints(project, [Finding(path, 13, "ban-drop-table", "No.")]) != before
    assert fingerprints(project, [Finding(path, 1, "ban-drop-column", "No.")]) != before
    missing = Finding(project.folder / "migrations" / "head.txt", 1, "head-file", "Gone.", None)
    assert fingerprints(project, [missing])


def test_a_file_is_named_from_the_root_of_the_repository(tmp_path: Path) -> None:
    folder = tmp_path / "my services" / "a"
    folder.mkdir(parents=True)
    run("git", "init", "--quiet", cwd=tmp_path)
    project = plans.project_in(folder)
    shared = tmp_path / "shared" / "x,y.py"
    findings = [
        Finding(folder / "migrations/versions/old.py", 1, "some-rule", "No.", level=WARNING),
        Finding(shared, 1, "some-rule", "No."),
    ]
    names = [line.split(",line=")[0] for line in annotations(project, findings)]
    assert names == [
        "::warning file=my services/a/migrations/versions/old.py",
        "::error file=shared/x%2Cy.py",
    ]
    [run_] = as_sarif(project, "plan", findings)["runs"]
    uris = [
        each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for each in run_["results"]
    ]
    assert uris == ["my%20services/a/migrations/versions/old.py", "shared/x%2Cy.py"]
    assert run_["automationDetails"]["id"] == "alembic-live/plan/my%20services/a/"
    [rule] = run_["tool"]["driver"]["rules"]
    assert rule["helpUri"].endswith("/some-rule")


# ---- JSON -------------------------------------------------------------------------------------


def test_the_schema_has_every_kind_of_lock_and_work() -> None:
    kinds = plan_schema()["$defs"]
    assert kinds["lock"]["properties"]["lock"]["enum"] == [str(mode) for mode in LockMode]
    assert kinds["work"]["properties"]["work"]["enum"] == [str(kind) for kind in WorkKind]
    blocks = kinds["held"]["properties"]["blocks"]["enum"]
    assert {mode.blocks or None for mode in LockMode} == {*blocks}


def test_the_schema_describes_what_is_printed(project: Project) -> None:
    step = full_step(project)
    check_plan(as_object(project, plans.plan(step)))
    plan = as_object(project, plans.plan(step, not_linted="no Squawk", is_downgrade=True))
    check_plan(plan)
    check_plan(as_object(project, plans.plan()))
    for broken in (
        plan | {"version": 2},
        plan | {"unknown": 1},
        plan | {"steps": [plan["steps"][0] | {"locks": [{}]}]},
    ):
        with pytest.raises(AssertionError):
            check_plan(broken)


# ---- a plan with nothing to do, and options ---------------------------------------------------


def test_nothing_to_do_is_a_short_document(project: Project) -> None:
    nothing = plans.plan()
    assert as_markdown(project, nothing) == (
        "<!-- alembic-live: db plan -->\n### Migrations\n\n"
        "Nothing to do: there is no revision after old.\n"
    )
    assert findings_of(project, nothing) == []
    [run_] = as_sarif(project, "plan", [])["runs"]
    assert run_["results"] == run_["tool"]["driver"]["rules"] == []


@pytest.mark.parametrize(
    "words",
    ["--json --markdown", "--sarif --github", "--markdown --github"],
)
def test_options_that_exclude_each_other(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser()
    command.add_arguments(parser)
    with pytest.raises(SystemExit) as raised:
        parser.parse_args(words.split())
    assert raised.value.code == 2
    assert "not allowed with argument" in capsys.readouterr().err
