"""The web application of a rendered project, as its users and its platform meet it: a process that
serves, a database that is slow or gone, a signal.
"""

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest
from project import Project, wait_until
from rendered import Render
from server import Database

LOCK = "LOCK TABLE notes IN ACCESS EXCLUSIVE MODE"
WAITING = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
NOTE = {"title": "Groceries"}
CHECKED_AT_COMMIT = (
    "ALTER TABLE notes ADD CONSTRAINT same_title UNIQUE (title) DEFERRABLE INITIALLY DEFERRED"
)
CONFLICT = "The change violates same_title."


@dataclass
class Served:
    """A running service."""

    process: subprocess.Popen[str]
    client: httpx.Client

    def stop(self, number: signal.Signals = signal.SIGTERM) -> str:
        """Stop it, and return its log."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=30)[0]


@pytest.fixture
def project(render: Render) -> Project:
    project = render()
    project.environment["WEB_PORT"] = "0"
    project.run("true")
    return project


@contextmanager
def served(project: Project) -> Iterator[Served]:
    """Run the service until the end of the block, on a free port."""
    process = project.begin("my-service")
    try:
        assert process.stdout
        before = ""
        for line in process.stdout:
            before += line
            if "running on" in line:
                break
        else:
            pytest.fail(before)
        url = line.split("running on ")[1].split(" ")[0]
        with httpx.Client(base_url=url, timeout=20) as client:
            yield Served(process, client)
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


@contextmanager
def locked_notes(database: Database) -> Iterator[None]:
    """Requests that need the table wait."""
    with database.connect() as connection, connection.transaction():
        connection.execute(LOCK)
        yield


def test_it_serves_migrates_if_told_and_logs_each_request(
    project: Project, database: Database
) -> None:
    with served(project) as service:
        behind = service.client.get("/health/ready")
        assert behind.status_code == 503
        assert behind.json()["reason"] == "The database has no revision. Run `db migrate`."
        assert service.client.get("/health/live").status_code == 200
    with served(project.given(WEB_MIGRATE="true", WEB_ROOT_PATH="api/")) as service:
        created = service.client.post("/notes", json=NOTE, headers={"X-Request-ID": "abc"})
        assert created.headers["Location"] == "/api/notes/1"
        assert service.client.get("/health/ready").json() == {"status": "ok", "reason": None}
        for path in ("/notes/1", "/api/notes/1"):  # a proxy removes the root path, or keeps it
            assert service.client.get(path).json() == created.json()
        assert '"/api/openapi.json"' in service.client.get("/docs").text.replace("'", '"')
        database.query(CHECKED_AT_COMMIT)
        refused = service.client.post("/notes", json=NOTE)
        assert (refused.status_code, refused.json()) == (409, {"detail": CONFLICT})
        database.query("ALTER TABLE notes RENAME TO gone")
        failed = service.client.get("/notes")
        assert (failed.status_code, failed.json()) == (500, {"detail": "Internal server error"})
        log = service.stop(signal.SIGINT)
    assert service.process.returncode in (0, -signal.SIGINT)
    entries = [json.loads(line) for line in log.splitlines()]
    [entry] = [each for each in entries if '"POST /notes HTTP/1.1" 201' in each["message"]]
    assert entry["request_id"] == "abc"
    [error] = [each for each in entries if "traceback" in each]
    [entry] = [each for each in entries if '"GET /notes HTTP/1.1" 500' in each["message"]]
    assert error["request_id"] == entry["request_id"] == failed.headers["X-Request-ID"]
    assert "relation" in error["traceback"]
    assert not [each for each in entries if "/health/" in each["message"]]
    assert not [each for each in entries if "color_message" in each]


def test_requests_meet_a_slow_database(project: Project, database: Database) -> None:
    project.alembic("upgrade", "head")
    few = project.given(DB_POOL_SIZE="1", DB_POOL_TIMEOUT="0.5")
    with served(few) as service, ThreadPoolExecutor() as threads:
        with locked_notes(database):
            waiting = threads.submit(service.client.get, "/notes")
            wait_until(lambda: database.value(WAITING) == 1)
            full = service.client.get("/notes")
            assert (full.status_code, full.headers["Retry-After"]) == (503, "1")
            probes = [threads.submit(service.client.get, "/health/ready") for _ in range(8)]
            assert {probe.result().status_code for probe in probes} == {503}
        assert waiting.result().status_code == 200

        with locked_notes(database):  # a client that goes away
            with pytest.raises(httpx.ReadTimeout):
                service.client.post("/notes", json=NOTE, timeout=0.3)
            assert database.value(WAITING) == 1
        wait_until(lambda: database.value("SELECT count(*) FROM notes") == 1)
        assert service.client.get("/notes").status_code == 200, "its connection is free again"

        with locked_notes(database):  # a stop while a request runs
            last = threads.submit(service.client.post, "/notes", json=NOTE)
            wait_until(lambda: database.value(WAITING) == 1)
            stopping = threading.Thread(target=service.stop)
            stopping.start()
            wait_until(lambda: refuses(service))
        assert last.result().status_code == 201
        stopping.join()
    assert service.process.returncode in (0, -signal.SIGTERM)


def refuses(service: Served) -> bool:
    """Whether the service accepts no more connections."""
    try:
        httpx.get(service.client.base_url.join("/health/live"))
    except httpx.ConnectError:
        return True
    return False


def test_a_start_that_fails_says_why(project: Project) -> None:
    for settings, said in (
        ({"WEB_PORT": "many"}, "WEB_PORT: it takes a valid integer"),
        ({"DB_HOST": ""}, "DB_HOST is not set."),
        ({"WEB_MIGRATE": "true", "DB_PORT": "1"}, "Cannot connect to database"),
    ):
        process = project.given(**settings).begin("my-service")
        log = process.communicate(timeout=30)[0]
        assert process.returncode == 1
        assert said in log
        assert "Traceback" not in log
