"""The remedy for each kind of session. `test_waits.py` meets most of them on a server."""

from types import SimpleNamespace
from typing import Any

import pytest
from alembic_live.postgres.wait_remedies import remedies


def session(**values: Any) -> Any:
    """A row of SESSIONS: by default a session of the own role that does nothing special."""
    usual = {
        "pid": 1, "name": "app", "role": "owner", "state": "active", "kind": "client backend",
        "task": None, "subscription": None, "is_of_the_server": False, "is_against_wraparound": False,
        "waits_for_standby": False, "is_own": True, "may_signal": False, "is_superuser": False,
        "yields_after": "1s",
    }  # fmt: skip
    return SimpleNamespace(**usual | values)


AUTOVACUUM = {"is_of_the_server": True, "role": None, "task": "VACUUM", "is_own": None}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "To end it: SELECT pg_terminate_backend(1);"),
        ({"is_own": False}, "To end it, as a role with pg_signal_backend: SELECT"),
        ({"is_own": False, "may_signal": True}, "To end it: SELECT"),
        ({"is_own": False, "may_signal": True, "is_superuser": True}, "To end it, as a superuser:"),
        (AUTOVACUUM, "It yields to a statement that waits longer than deadlock_timeout (1s)."),
        (AUTOVACUUM | {"is_against_wraparound": True}, "Let it finish: it protects the database"),
        (AUTOVACUUM | {"task": None}, "It is a process of the server: let it finish."),
        ({"subscription": "my sub"}, 'ALTER SUBSCRIPTION "my sub" DISABLE; and ENABLE it after'),
        (
            {"task": "COPY"},
            "Let its COPY finish, or cancel it, and repeat it later: SELECT pg_cancel",
        ),
        ({"name": "pg_dump", "task": "COPY"}, "It is a backup: let it finish"),
        ({"waits_for_standby": True}, "Start the standby, or take it out"),
    ],
    ids=str,
)
def test_the_remedy_for(values: dict[str, Any], words: str) -> None:
    [text] = remedies([session(**values)])
    assert words in text
    ends_it = words.startswith(("To end", "It is a backup"))
    assert ("pg_terminate_backend(1)" in text) is ends_it


def test_several_sessions_are_ended_together() -> None:
    found = remedies([session(), session(pid=2), session(pid=3, name="pg_dump")])
    assert found[1:] == ["To end them: SELECT pg_terminate_backend(1), pg_terminate_backend(2);"]
