"""Programs as process number 1, as in a container: without a default action for signals."""

import os
import subprocess
import time
from contextlib import suppress
from functools import cache

import pytest
from project import Project, clean_environment, wait_until

SOON = 5.0  # seconds in which a process has to end, on a machine that is busy with other tests
ENOUGH = 15  # seconds after which it never will

UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
if os.geteuid() != 0:
    UNSHARE[1:1] = ["--user", "--map-root-user"]


@cache
def refusal() -> str:
    """Why this machine has no such processes; empty if it has."""
    try:
        done = subprocess.run([*UNSHARE, "true"], check=False, capture_output=True, text=True)
    except FileNotFoundError as error:
        return str(error)
    return done.stderr.strip()


class Running:
    """A program that runs, as number 1 or as any other process."""

    def __init__(self, project: Project, *command: str, first: bool = True) -> None:
        if first and refusal():
            pytest.skip(f"process number 1: {refusal()}")
        self.first = first
        program = str(project.program(command[0]))
        self.process = subprocess.Popen(
            [*(UNSHARE if first else ()), program, *command[1:]],
            cwd=project.path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=clean_environment() | project.environ(),
        )

    def stop(self, number: int) -> tuple[int, str, float]:
        """Send a signal. Returns the exit code, what the program said, and the seconds it took.
        A program that does not end is killed.
        """
        os.kill(self._pid, number)
        began = time.monotonic()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(ENOUGH)
        took = time.monotonic() - began
        self.process.kill()  # number 1 goes with `unshare`
        said, _ = self.process.communicate()
        return self.process.returncode, said, took

    @property
    def _pid(self) -> int:
        if not self.first:
            return self.process.pid
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        found: list[str] = []

        def look() -> bool:
            with open(children) as file:
                found[:] = file.read().split()
            return bool(found)

        wait_until(look)
        return int(found[0])
