"""A terminal with a person at it."""

import os
import pty
import select
import subprocess
import time
from collections.abc import Sequence

from project import Project, clean_environment


def on_a_terminal(
    project: Project, command: Sequence[str], answers: Sequence[tuple[str, str]]
) -> tuple[str, int]:
    """Run a program of a project's environment on a terminal, and type an answer to each question
    that has some words in it. Returns what it said, and its exit code.
    """
    program, *arguments = command
    terminal, child_s_end = pty.openpty()
    process = subprocess.Popen(
        [project.program(program), *arguments],
        cwd=project.path,
        stdin=child_s_end,
        stdout=child_s_end,
        stderr=child_s_end,
        env=clean_environment() | project.environ() | {"COLUMNS": "200"},
        start_new_session=True,
    )
    os.close(child_s_end)
    said, waiting = "", list(answers)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            some = os.read(terminal, 4096).decode()
        except OSError:  # Linux says so when the other end is closed
            break
        if not some:
            break
        said += some
        asks = said.rstrip().endswith(("[y/N]", "?"))
        if asks and waiting and waiting[0][0] in " ".join(said.split()):
            os.write(terminal, f"{waiting.pop(0)[1]}\n".encode())
            said += "\n"
    os.close(terminal)
    assert not waiting, said
    return said, process.wait(timeout=60)
