"""How often the client waits for the server: counted on the wire, so the same everywhere."""

from dataclasses import replace

import pytest
from project import Project
from proxy import proxy
from reads import READ
from server import Database


@pytest.mark.parametrize(("kind", "expected"), [("read", 1), ("write", 3)])
def test_a_read_by_primary_key_is_one_round_trip_in_a_reading_session(
    service: Project, database: Database, kind: str, expected: int
) -> None:
    service.given(**database.environment).alembic("upgrade", "head")

    def round_trips(times: int) -> int:
        with proxy(database.host, database.port) as relay:
            through = replace(database, port=relay.port)
            service.given(**through.environment).run("python", "-c", READ, kind, str(times))
            return relay.round_trips

    assert round_trips(11) - round_trips(1) == 10 * expected
