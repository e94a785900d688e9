"""Adds what is missing to `.env`."""

import os
from pathlib import Path

from dotenv import dotenv_values

from ...paths import PROJECT_ROOT


def example_values() -> dict[str, str]:
    """The values of `.env.example`."""
    values = dotenv_values(PROJECT_ROOT / ".env.example", interpolate=False)
    return {name: value for name, value in values.items() if value}


def add_to_env_file(path: Path, values: dict[str, str]) -> None:
    """Append settings; what the file says already stays as it is. Only its owner may read it."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = [f"{name}={_quoted(value)}" for name, value in values.items()]
    separator = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with open(descriptor, "a", encoding="utf-8") as file:
        file.write("\n".join([f"{separator}# Added by `db start`:", *lines, ""]))


def _quoted(value: str) -> str:
    """The value as python-dotenv and `docker compose` both read it."""
    if value.replace("_", "").replace("-", "").replace(".", "").isalnum() and value.isascii():
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
