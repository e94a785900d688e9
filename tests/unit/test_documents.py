"""What documents.py reads in a page, and which outputs match it."""

import pytest
from documents import Examples, Page, PageError, printed

PAGE = """\
# Page

<!-- project: example=false -->
<!-- run
echo 1
-->
<!-- exit: 1 -->
```console
$ false \\
> --option
no
$ true
```

1. Item

   <!-- insert: a.py after b -->
   ```python
       c
   ```

<!-- not run: no reason -->
```sh
rm -rf /
```

```sh
uv run a \\
    --b  # why
# nothing
docker build .
uv run c
```
"""


def test_a_page_has_its_steps_in_their_order() -> None:
    page = Page.read("page", PAGE.replace("exit: 1", "exit: 3"))
    assert page.answers == {"example": False}
    assert [(step.kind, step.text) for step in page.steps] == [
        ("run", "echo 1"),
        ("command", "false \\\n--option"),
        ("command", "true"),
        ("insert", "    c\n"),
        ("command", "uv run a     --b  # why"),
        ("command", "uv run c"),
    ]
    assert [step.output for step in page.steps[1:3]] == ["no", ""]
    assert [step.exit_code for step in page.steps[1:3]] == [0, 3]
    assert [step.line for step in page.steps[1:3]] == [9, 12]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("```\n$ true\n```", "needs one of the languages"),
        ("```text\n$ true\n```", "is `console`"),
        ("```console\ntrue\n```", "begins with a command"),
        ("```sh\ntrue", "has no end"),
        ("<!-- exit: 1 -->\ntext", "no block follows"),
        ("<!-- ignore: 1 -->", "there is no comment"),
    ],
)
def test_a_page_that_is_not_understood_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(PageError, match=wrong):
        Page.read("page", text)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ("a … c", "a b c"),
        ("a\n…\nd", "a\nb\nc\nd"),
        ("a\n…\nd", "a\nd"),
        ("…", "anything\nat all"),
        ("a long\n  line", "a long line"),
        ("on 127.0.0.1:1 in 0.01 s", "on 127.0.0.1:54321 in 12.5 s"),
        ("PostgreSQL 18.4", "PostgreSQL 15"),
        ("=== 9 passed in 1.64s ===", "===== 9 passed in 11.01s ====="),
        ("2026_11_24_052330-a5500afd819a_x.py", "2027_01_01_000000-0123456789ab_x.py"),
        ("", ""),
    ],
)
def test_an_example_matches_other_values(expected: str, actual: str) -> None:
    assert Examples().match(expected, actual)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ("8 passed", "9 passed"),
        ("a …", "a b\nc d"),
        ("a", "a\nb"),
        ("a\n…\nd", "a\nb"),
        ("5f0e1c2d3a4b -> 5f0e1c2d3a4b", "0123456789ab -> ba9876543210"),
        ("a [b]", "a b"),
    ],
)
def test_another_output_does_not_match(expected: str, actual: str) -> None:
    assert not Examples().match(expected, actual)


def test_an_id_stays_the_same_throughout_a_page() -> None:
    examples = Examples()
    assert examples.match("at 5f0e1c2d3a4b", "at 0123456789ab")
    assert examples.real("remove 5f0e1c2d3a4b") == "remove 0123456789ab"
    assert examples.match("gone: 5f0e1c2d3a4b", "gone: 0123456789ab")
    assert not examples.match("gone: 5f0e1c2d3a4b", "gone: ba9876543210")


def test_a_part_of_a_file_matches() -> None:
    examples = Examples()
    assert examples.match("b = …\nc", "a\nb = 1\nc\nd", whole=False)
    assert not examples.match("b = …\nd", "a\nb = 1\nc\nd", whole=False)


def test_lines_that_pages_leave_out() -> None:
    lines = [
        "INFO  [alembic.runtime.migration] Context impl PostgresqlImpl.",
        "a",
        "2026-11-28T03:10:42+0000 INFO  [alembic.runtime.migration] Will assume transactional DDL.",
        "2026-11-28T03:10:42+0000 INFO  [alembic.migrations] Finished",
        "Installed 3 packages in 1ms",
    ]
    assert printed("\n".join(lines)) == "a\nINFO  [alembic.migrations] Finished"
