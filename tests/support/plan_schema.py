"""The JSON schema of `db plan --json`, which must describe every key that the command prints."""

import json
from typing import Any

from jsonschema import Draft202012Validator
from project import ROOT

PATH = ROOT / "docs" / "reference" / "plan.schema.json"


def plan_schema() -> Any:
    """The schema."""
    return json.loads(PATH.read_text(encoding="utf-8"))


def check_plan(plan: Any) -> None:
    """Check a plan against the schema."""
    schema = plan_schema()
    Draft202012Validator.check_schema(schema)
    assert not [*map(str, Draft202012Validator(_closed(schema)).iter_errors(plan))]


def _closed(schema: Any) -> Any:
    """The schema, without keys that it does not describe."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    return closed | {"additionalProperties": False} if "properties" in schema else closed
