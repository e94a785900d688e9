"""The plan of a small project, as `db plan --json` prints it."""

import json
from typing import Any

from plan_schema import check_plan
from project import Project
from server import Database


def with_rows(project: Project, database: Database) -> Project:
    """Migrate the project's database, and fill it with a few rows."""
    project.alembic("upgrade", "head")
    database.query("INSERT INTO notes (title, body) SELECT n, n FROM generate_series(1, 1000) n")
    database.query("ANALYZE notes")
    return project


def planned(project: Project, target: str = "heads") -> Any:
    """The plan, which its schema describes."""
    plan = json.loads(project.db("plan", target, "--json").stdout)
    check_plan(plan)
    return plan


def step(project: Project, target: str = "heads") -> Any:
    """The only one."""
    [found] = planned(project, target)["steps"]
    return found


def locks(found: Any) -> dict[str, str]:
    """The locks on each table, and what is done meanwhile."""
    texts: dict[str, list[str]] = {}
    for each in found["locks"]:
        works = (f"{work['work']} {work['table']}" for work in each["during"])
        texts.setdefault(each["relation"], []).append(" ".join([each["lock"], *works]))
    return {table: ", ".join(held) for table, held in texts.items()}
