"""The formats of a plan for programs."""

from argparse import ArgumentParser, Namespace

from alembic_live.commands.lint.findings import annotations
from alembic_live.commands.lint.sarif import as_sarif
from alembic_live.commands.plan.plan import Plan
from alembic_live.commands.plan.reports.document import as_object
from alembic_live.commands.plan.reports.findings import findings_of
from alembic_live.commands.plan.reports.markdown import as_markdown
from alembic_live.printable import as_json
from alembic_live.project import Project


def add_formats(parser: ArgumentParser) -> None:
    """Declare one option for each format."""
    formats = parser.add_mutually_exclusive_group()
    for name, text in {
        "json": "Print JSON.",
        "markdown": "Print Markdown, for a comment on a pull request.",
        "sarif": "Print SARIF, for code scanning.",
        "github": "Print annotations for GitHub.",
    }.items():
        formats.add_argument(f"--{name}", action="store_true", help=text)


def formatted(project: Project, plan: Plan, arguments: Namespace) -> str | None:
    """The plan in the format that the options name. None if they name none."""
    if arguments.json:
        return as_json(as_object(project, plan))
    if arguments.markdown:
        return as_markdown(project, plan)
    if arguments.sarif:
        notes = [f"Not linted: {plan.not_linted}"] if plan.not_linted else []
        return as_json(as_sarif(project, "plan", findings_of(project, plan), notes))
    if arguments.github:
        return "\n".join(annotations(project, findings_of(project, plan)))
    return None
