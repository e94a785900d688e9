"""Findings as SARIF 2.1.0, for code scanning and other programs.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
https://docs.github.com/en/code-security/reference/code-scanning/sarif-files/sarif-support
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from alembic_live.commands.lint.findings import Finding, names_in_repository
from alembic_live.commands.lint.rules import RULES, SQUAWK
from alembic_live.history.git import folder_in_repository
from alembic_live.printable import printable
from alembic_live.project import Project

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_sarif(
    project: Project, command: str, findings: Sequence[Finding], notes: Sequence[str] = ()
) -> dict[str, Any]:
    """The log file, an object.

    Args:
        project: the project.
        command: what has found them. The results of one command do not replace those of another.
        findings: the findings.
        notes: what could not be checked.
    """
    rules = sorted({each.rule for each in findings})
    category = f"alembic-live/{command}/{quote(folder_in_repository(project))}"
    said = [{"level": "warning", "message": {"text": printable(note)}} for note in notes]
    run = {
        "tool": {
            "driver": {
                "name": "alembic-live",
                "semanticVersion": version("alembic-live"),
                "rules": [_rule(name) for name in rules],
            }
        },
        "automationDetails": {"id": category},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": said}],
        "columnKind": "unicodeCodePoints",
        "results": list(_results(project, findings, rules)),
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(name: str) -> dict[str, Any]:
    rule = RULES.get(name)
    if rule is None:
        page = f"{SQUAWK}/{quote(name)}"
        return {
            "id": name,
            "shortDescription": {"text": f"Squawk: {name}"},
            "help": {"text": page, "markdown": f"[{name}]({page})"},
            "helpUri": page,
        }
    text = f"{rule.danger}\n{rule.why}\nUnsafe:\n{rule.unsafe}\nSafe:\n{rule.safe}"
    blocks = [
        f"**{title}**\n\n```python\n{code}\n```"
        for title, code in (("Unsafe", rule.unsafe), ("Safe", rule.safe))
    ]
    return {
        "id": name,
        "shortDescription": {"text": rule.danger},
        "fullDescription": {"text": f"{rule.danger} {rule.why}"},
        "help": {"text": text, "markdown": "\n\n".join([rule.danger, rule.why, *blocks])},
    }


def _results(
    project: Project, findings: Sequence[Finding], rules: Sequence[str]
) -> Iterator[dict[str, Any]]:
    names = names_in_repository(project, findings)
    sources: dict[Path, list[str]] = {}
    seen: Counter[str] = Counter()
    for finding in findings:
        name = names[finding.path]
        lines = sources.setdefault(finding.path, _lines(finding.path))
        line = lines[finding.line - 1].strip() if finding.line <= len(lines) else ""
        # Lines above may come and go. Of several findings in equal lines, each has a number.
        identity = sha256("\0".join([finding.rule, name, line]).encode()).hexdigest()[:16]
        seen[identity] += 1
        yield {
            "ruleId": finding.rule,
            "ruleIndex": rules.index(finding.rule),
            "level": finding.level,
            "message": {"text": printable(f"{finding.message} {finding.advice}".strip())},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(name), "uriBaseId": "%SRCROOT%"},
                        "region": {"startLine": max(finding.line, 1)},
                    }
                }
            ],
            "partialFingerprints": {"primaryLocationLineHash": f"{identity}:{seen[identity]}"},
        }


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # the finding may be that it is missing
        return []
