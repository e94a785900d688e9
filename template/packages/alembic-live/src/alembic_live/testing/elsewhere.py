"""A connection that any event loop and any thread can use: its driver runs in a thread."""

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from alembic_live.errors import ConfigurationError
from alembic_live.internals.sqlalchemy import wait_for
from alembic_live.internals.sqlalchemy_pool import NO_ASYNCIO

Result = TypeVar("Result")

PAUSE = 0.001  # seconds between two looks at a lock
# What an object of a driver has if it takes part in the conversation with the server.
CONVERSES = ("__aenter__", "__aiter__", "__await__", "fetch")


class LoopThread:
    """A thread with an event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.running = set[asyncio.Task[Any]]()  # what others have asked for
        self._thread = threading.Thread(
            target=self.loop.run_forever, name="alembic-live", daemon=True
        )
        self._thread.start()

    def wait(self, awaitable: Awaitable[Result]) -> Result:
        """The result of something awaitable. Blocks the calling thread."""
        return asyncio.run_coroutine_threadsafe(_coroutine(awaitable), self.loop).result()

    async def result(self, awaitable: Awaitable[Result]) -> Result:
        """The result of something awaitable, for a task of any loop. If the task is cancelled, so
        is this; the task goes on when it has ended.

        Raises:
            ConfigurationError: the task is not one of asyncio.
        """
        if running_loop() is self.loop:
            return await awaitable
        ended: Future[asyncio.Task[Result]] = Future()
        tasks = list[asyncio.Task[Result]]()

        def start() -> None:
            task = self.loop.create_task(_coroutine(awaitable))
            tasks.append(task)
            self.running.add(task)
            task.add_done_callback(self.running.discard)
            task.add_done_callback(ended.set_result)

        self.loop.call_soon_threadsafe(start)
        waiting = asyncio.wrap_future(ended)
        try:
            return (await asyncio.shield(waiting)).result()
        except asyncio.CancelledError:
            while not waiting.done():
                self.loop.call_soon_threadsafe(lambda: tasks[0].cancel())
                with suppress(asyncio.CancelledError):
                    await asyncio.shield(waiting)
            raise

    async def cancel_all(self) -> None:
        """End what other tasks have asked for. For a task of this loop."""
        tasks = self.running - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self) -> None:
        """End the thread."""
        self.wait(self.loop.shutdown_asyncgens())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


def _coroutine(awaitable: Awaitable[Result]) -> Coroutine[Any, Any, Result]:
    async def wait() -> Result:
        return await awaitable

    return awaitable if isinstance(awaitable, Coroutine) else wait()


class Elsewhere:
    """An object of a driver whose coroutines run in a thread.

    Everything else is the object's: attributes, methods that need not wait, and its class.
    """

    __slots__ = ("_object", "_thread")

    def __init__(self, thread: LoopThread, object_: Any) -> None:
        object.__setattr__(self, "_thread", thread)
        object.__setattr__(self, "_object", object_)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._object)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._object, name)
        if name == "terminate":  # it does not wait, and its transport belongs to the thread
            return partial(self._thread.loop.call_soon_threadsafe, value)
        return self._method(value) if inspect.isroutine(value) else value

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._object, name, value)

    def _method(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            result = method(*args, **options)
            return self._result(result) if inspect.iscoroutine(result) else self._of(result)

        return call

    async def _result(self, awaitable: Awaitable[Any]) -> Any:
        return self._of(await self._thread.result(awaitable))

    def _of(self, value: Any) -> Any:
        if any(hasattr(type(value), name) for name in CONVERSES):
            return Elsewhere(self._thread, value)
        return value

    def __await__(self) -> Generator[Any, None, Any]:
        return self._result(self._object).__await__()

    async def __aenter__(self) -> Any:
        return await self._result(self._object.__aenter__())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        return await self._result(self._object.__aexit__(kind, error, traceback))

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._of(self._object.__aiter__())  # type: ignore[no-any-return]

    async def __anext__(self) -> Any:
        return await self._result(self._object.__anext__())


def running_loop() -> asyncio.AbstractEventLoop:
    """The running event loop.

    Raises:
        ConfigurationError: there is none of asyncio.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(NO_ASYNCIO) from None


def pause() -> None:
    """Let other tasks run, in work that runs in a greenlet."""
    wait_for(asyncio.sleep(PAUSE))


class AnyLoopsLock:
    """A lock for tasks of several event loops."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def try_once(self) -> bool:
        """Acquire the lock unless another task has it."""
        return self._lock.acquire(blocking=False)

    def release(self) -> None:
        """Let another task have the lock."""
        self._lock.release()

    async def __aenter__(self) -> Self:
        while not self.try_once():
            await asyncio.sleep(PAUSE)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.release()
