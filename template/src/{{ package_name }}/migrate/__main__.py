"""The `db` command. What can be done without Alembic and SQLAlchemy is done before they are imported."""

import sys
from pathlib import Path

from .interruption import ended_by_signals, exit_at_sigterm


def main(*, chosen: bool = False) -> None:
    """Run the command. Exit codes: 0 done, 1 failed or found something, 2 wrong usage, 130 and 143
    stopped by SIGINT and SIGTERM.

    Args:
        chosen: the command names this package, so it is not that of another project.
    """
    if sys.argv[1:2] == ["migrate"]:
        with ended_by_signals():
            _run(chosen=chosen)
    else:
        exit_at_sigterm()
        _run(chosen=chosen)


def _run(*, chosen: bool) -> None:
    if sys.argv[1:] == ["migrate"]:
        from .quick import is_at_head

        if is_at_head():
            print("The database is at the newest revision: nothing to do.", file=sys.stderr)
            return
    if sys.argv[1:2] == ["record_head"] and sys.argv[2:]:  # after every new revision
        from .head_file import record_heads
        from .project import WrongProjectError, run_elsewhere

        try:
            folder = Path(sys.argv[2]).resolve().parent
            if not run_elsewhere(folder, sys.argv[1:], chosen=chosen):
                record_heads()
        except (ValueError, WrongProjectError) as error:
            sys.exit(f"migrations/head.txt was not written: {error}")
        return
    from .cli import run

    run(chosen=chosen)


if __name__ == "__main__":
    main(chosen=True)
