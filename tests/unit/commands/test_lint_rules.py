"""Every rule that `db lint` names a remedy for, or finds itself, can be explained."""

import ast
import re
from pathlib import Path

from alembic_live.commands import lint
from alembic_live.commands.lint.rules import RULES, explain
from alembic_live.commands.lint.squawk import EXCLUDED, REMEDIES


def test_every_rule_with_a_remedy_is_explained() -> None:
    assert REMEDIES.keys() <= RULES.keys()
    assert not RULES.keys() & {*EXCLUDED}


def test_every_rule_of_lint_itself_is_explained() -> None:
    [folder] = lint.__path__
    source = "".join(path.read_text("utf-8") for path in Path(folder).glob("*.py"))
    own = set(re.findall(r'^\s+"([a-z]+(?:-[a-z]+)+)",$', source, re.MULTILINE))
    assert {"edited-revision", "empty-upgrade"} & own
    assert own - {*EXCLUDED} <= RULES.keys()


def test_the_code_in_an_explanation_of_an_operation_is_python() -> None:
    for rule in RULES.values():
        for code in (rule.unsafe, rule.safe):
            if "op." in code or "concurrently(" in code:
                ast.parse(code)


def test_an_explanation_has_four_parts() -> None:
    for name in RULES:
        lines = explain(name).splitlines()
        assert lines[0].startswith(f"{name}: ")
        assert [line for line in lines if line in ("Unsafe:", "Safe:")] == ["Unsafe:", "Safe:"]
