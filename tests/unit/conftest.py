"""Fixtures of the tests that need neither a server nor a project."""

import os

import pytest


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests has settings of their own, which must not matter."""
    for name in os.environ:
        if name.startswith(("DB_", "PG", "SECRETS_DIR", "ALEMBIC_CONFIG")):
            monkeypatch.delenv(name)
