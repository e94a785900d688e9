"""Log entries as JSON."""

import json
import logging
import sys
from typing import Any

from alembic_live import JsonFormatter


def entry(text: str, *arguments: object, name: str = "alembic.migrations", **more: Any) -> Any:
    """A record as JSON: one line."""
    record = logging.getLogger(name).makeRecord(
        name, logging.WARNING, "x.py", 1, text, arguments, more.pop("exc_info", None), extra=more
    )
    line = JsonFormatter().format(record)
    assert "\n" not in line
    return json.loads(line)


def test_text_and_details() -> None:
    found = entry("Waiting for %s\x1b[2J\n", '"notes"', event="waiting", seconds=0.5, other={1})
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "WARNING",
        "logger": "alembic.migrations",
        "message": 'Waiting for "notes"\x1b[2J\n',
        "event": "waiting",
        "seconds": 0.5,
        "other": "{1}",
    }


def test_no_secrets() -> None:
    sql = "ALTER ROLE app PASSWORD 'hunter2'"
    found = entry(sql, name="sqlalchemy.engine.Engine")
    assert found["message"] == "ALTER ROLE app PASSWORD '…'"
    try:
        raise ValueError(sql)
    except ValueError:
        found = entry("It failed", exc_info=sys.exc_info())
    assert "Traceback" in found["traceback"]
    assert "hunter2" not in json.dumps(found)
