"""Properties of the way from the settings to the driver: what goes in is what it receives."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from alembic.config import Config
from conftest import Render
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from library import imported
from sqlalchemy import Engine, engine_from_config, make_url

text = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40
)
labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
addresses = st.fixed_dictionaries(
    {
        "host": st.one_of(
            st.lists(labels, min_size=1, max_size=4).map(".".join),
            st.ip_addresses().map(str),
            # A comma separates hosts, to all drivers alike.
            text.filter(lambda name: "," not in name).map(lambda name: f"/{name}"),
        ),
        "port": st.integers(1, 65535),
        "user": text,
        "password": text,
        "name": text,
    }
)

Connect = Callable[[dict[str, Any], str], Engine]


@pytest.fixture(scope="module")
def connect(rendered: Render) -> Iterator[Connect]:
    """Makes the engine that env.py would connect with, for an address and a driver."""
    project = rendered()

    def connect(values: dict[str, Any], driver: str) -> Engine:
        config = Config(project.path / "alembic.ini")
        fill_in_url(config, address(**values), driver)
        # The application's way ends at the same place as the migrations'.
        url = config.get_main_option("sqlalchemy.url") or ""
        assert make_url(url) == address(**values).url(driver)
        return engine_from_config(config.get_section("alembic") or {})

    with imported(project) as module:
        address = module("database.address").Address
        fill_in_url = module("migrate.url").fill_in_url
        yield connect


@pytest.mark.parametrize(("driver", "database"), [("asyncpg", "database"), ("psycopg", "dbname")])
@given(values=addresses)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_driver_receives_what_the_settings_say(
    connect: Connect, driver: str, database: str, values: dict[str, Any]
) -> None:
    engine = connect(values, driver)
    _arguments, received = engine.dialect.create_connect_args(engine.url)
    assert received["user"] == values["user"]
    assert received["password"] == values["password"]
    assert received[database] == values["name"]
    assert received["host"] == values["host"]
    assert int(received["port"]) == values["port"]
