"""Tasks that outlive the test that has started them. They may not write into a later one."""

import asyncio
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import Engine, event
from sqlalchemy.ext.asyncio import AsyncEngine

OUTLIVED = (
    "A task that an earlier test has started uses the database. Await or cancel it in its test, or "
    "start it in a fixture that is older than `db`."
)

_Loop = asyncio.AbstractEventLoop

_watched = WeakSet[Engine]()
_outlived = WeakSet[asyncio.Task[Any]]()  # those that were still there at the end of their test
_loops = WeakSet[_Loop]()  # those that tests have used


class OutlivedTaskError(RuntimeError):
    """A task uses the database after the end of its test."""


class TasksOfTest:
    """The tasks that a test starts, in the event loops that it uses."""

    def __init__(self) -> None:
        self._older = WeakKeyDictionary[_Loop, WeakSet[asyncio.Task[Any]]]()
        for loop in list(_loops):
            self.note(loop)

    def note(self, loop: _Loop | None = None) -> None:
        """The test uses a loop, or the running one. What runs there, as far as is known, was not
        started by the test.
        """
        loop = loop or asyncio.get_running_loop()
        if loop not in self._older and not loop.is_closed():
            _loops.add(loop)
            self._older[loop] = WeakSet(asyncio.all_tasks(loop))

    def end(self) -> None:
        """The test has ended."""
        for loop, older in self._older.items():
            if not loop.is_closed():
                _outlived.update(asyncio.all_tasks(loop) - {*older, _current_task()})


def watch(engine: AsyncEngine) -> None:
    """Let no such task have a connection of an engine."""
    if engine.sync_engine not in _watched:
        _watched.add(engine.sync_engine)
        event.listen(engine.sync_engine, "checkout", refuse_outlived)


def refuse_outlived(*_: object) -> None:
    """
    Raises:
        OutlivedTaskError: the running task is one that has outlived its test.
    """
    if _current_task() in _outlived:
        raise OutlivedTaskError(OUTLIVED)


def _current_task() -> asyncio.Task[Any] | None:
    with suppress(RuntimeError):
        return asyncio.current_task()
    return None
