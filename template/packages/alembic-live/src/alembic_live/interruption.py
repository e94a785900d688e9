"""Ends the process within a second of a signal, with a sentence about the outcome.

Process number 1, as in a container, has no default action for SIGTERM. A driver that waits for the
server in C runs no Python signal handler. Therefore a thread ends the process. No cleanup is needed:
the server rolls back when it loses the connection.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn, TypeVar

Result = TypeVar("Result")

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)
)
# Seconds. A migration ends its session as a part of its report, and the process ends within a second:
# ENDING < REPORT, and REPORT + FLUSH < 1.
ENDING = 0.7  # to end the session of a migration
REPORT = 0.8  # for the report
FLUSH = 0.1  # to flush buffered output
DONE = b"\0"  # not the number of a signal


def _say_nothing_applied() -> str:
    return "No revision was applied."


def _say_nothing() -> str:
    return ""


def _nothing() -> None:
    pass


format_text: Callable[[str], str] = str  # `terminal` replaces it
_report: Callable[[], str] = _say_nothing_applied
_restore: Callable[[], None] = _nothing

# A process that a revision forks, for example with multiprocessing, ends by itself.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _restore())


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """End the process at a signal during the block, with exit code 143, 130 or 129. Handlers
    that the program has set stay, and an ignored signal stays ignored, as by `nohup`.
    """
    global _report, _restore
    signals = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    if not signals or not _may_handle(*signals):
        yield
        return
    _report = _say_nothing_applied
    receiver, sender = os.pipe()
    os.set_blocking(sender, False)

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        """Stop the main thread, so that it neither continues nor reports an error."""
        os.write(sender, bytes([number]))
        while True:
            threading.Event().wait()

    thread = threading.Thread(target=_wait, args=(receiver,), daemon=True)
    thread.start()
    handlers = {number: signal.signal(number, stop) for number in signals}
    # Python's handlers wait for the main thread. The bytes that Python writes here do not.
    descriptor = signal.set_wakeup_fd(sender, warn_on_full_buffer=False)

    def restore() -> None:
        global _restore
        _restore = _nothing
        signal.set_wakeup_fd(descriptor)
        for number, handler in handlers.items():
            signal.signal(number, handler)

    _restore = restore
    try:
        yield
    finally:
        if _restore is restore:  # else this is a forked process
            restore()
            os.write(sender, DONE)
            thread.join()
            os.close(sender)
            os.close(receiver)


@contextmanager
def reported_by(report: Callable[[], str]) -> Iterator[None]:
    """After a signal during the block, call a function for a sentence about the outcome. It runs in
    another thread.
    """
    global _report
    _report = report
    try:
        yield
    finally:
        _report = _say_nothing


class Stopped(KeyboardInterrupt):
    """A signal stopped the program. It is no SystemExit: a model that ends the process is an error."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.code = 128 + number

    @property
    def text(self) -> str:
        """A sentence for the user."""
        return format_text(f"Stopped by {signal.Signals(self.number).name}.")


def stopped_by_signals() -> None:
    """Let signals raise `Stopped` in the main thread, as SIGINT raises KeyboardInterrupt, so that
    `finally` blocks run.
    """
    for number in SIGNALS:
        if number != signal.SIGINT and _may_handle(number):
            signal.signal(number, _stop)


def within(seconds: float, work: Callable[[], Result]) -> Result | None:
    """The result of a function; None if it fails or takes longer. It may go on in its thread."""
    results: list[Result] = []

    def run() -> None:
        with suppress(Exception):
            results.append(work())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return results[0] if results else None


def _may_handle(*signals: signal.Signals) -> bool:
    """Whether handlers can be set in this thread, and the program has set none."""
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        return False
    free = (signal.SIG_DFL, signal.default_int_handler, _stop)
    return all(signal.getsignal(number) in free for number in signals)


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped(number)


def _wait(receiver: int) -> None:
    while (received := os.read(receiver, 1)) != DONE:
        if received[0] in SIGNALS:
            _end(received[0])


def _end(number: int) -> NoReturn:
    report = within(REPORT, _report) or ""
    text = f"Stopped by {signal.Signals(number).name}. {report}".rstrip()
    within(FLUSH, sys.stdout.flush)
    with suppress(OSError):  # the terminal may be gone, and the reader of a pipe
        os.write(
            2, f"{format_text(text)}\n".encode()
        )  # sys.stderr may be locked by the main thread
    os._exit(128 + number)
