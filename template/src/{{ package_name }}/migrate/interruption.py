"""Ends the process at SIGTERM or SIGINT: within a second, and with a sentence.

A process with number 1, as in a container, has no default action for SIGTERM. And a driver that
waits for the server in C runs no Python handler until the server answers. So a thread ends the
process. It leaves nothing to undo: the server rolls back when it loses the connection.
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

SIGNALS = (signal.SIGTERM, signal.SIGINT)
REPORT = 0.8  # seconds for the report
FLUSH = 0.1  # seconds for output that is still in the buffer
DONE = b"\0"  # no signal's number


def _say_nothing_applied() -> str:
    return "No revision was applied."


def _say_nothing() -> str:
    return ""


def _nothing() -> None:
    pass


_report: Callable[[], str] = _say_nothing_applied
_restore: Callable[[], None] = _nothing

# A process that a revision forks, such as one of multiprocessing's, ends alone.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _restore())


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """End the process at a signal in the block, with exit code 143 or 130. A program with handlers
    for these signals keeps them, and a signal that is ignored stays ignored.
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
        """Hold the main thread, so that it neither goes on nor reports an error."""
        os.write(sender, bytes([number]))
        while True:
            threading.Event().wait()

    thread = threading.Thread(target=_wait, args=(receiver,), daemon=True)
    thread.start()
    handlers = {number: signal.signal(number, stop) for number in signals}
    # Python's handlers wait for the main thread; the bytes that Python writes here do not.
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
    """Call a function after a signal in the block, for a sentence about what is done and what is
    not. It runs in another thread than the block.
    """
    global _report
    _report = report
    try:
        yield
    finally:
        _report = _say_nothing


def exit_at_sigterm() -> None:
    """Let SIGTERM raise SystemExit in the main thread, as SIGINT raises KeyboardInterrupt, so that
    what has to be cleaned up is cleaned up.
    """
    if _may_handle(signal.SIGTERM):
        signal.signal(signal.SIGTERM, _exit)


def within(seconds: float, work: Callable[[], Result]) -> Result | None:
    """What a function returns; None where it fails or takes longer, and is left behind."""
    results: list[Result] = []

    def run() -> None:
        with suppress(Exception):
            results.append(work())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return results[0] if results else None


def _may_handle(*signals: signal.Signals) -> bool:
    """Whether handlers can be set here, and nobody has set one yet."""
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        return False
    free = (signal.SIG_DFL, signal.default_int_handler, _exit)
    return all(signal.getsignal(number) in free for number in signals)


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def _wait(receiver: int) -> None:
    while (received := os.read(receiver, 1)) != DONE:
        if received[0] in SIGNALS:
            _end(received[0])


def _end(number: int) -> NoReturn:
    report = within(REPORT, _report) or ""
    text = f"Stopped by {signal.Signals(number).name}. {report}".rstrip()
    within(FLUSH, sys.stdout.flush)
    os.write(2, f"{text}\n".encode())  # sys.stderr may be locked by the main thread
    os._exit(128 + number)
