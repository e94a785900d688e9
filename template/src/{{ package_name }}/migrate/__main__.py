"""The `db` command. `db migrate` looks first whether there is anything to do at all."""

import sys


def main() -> None:
    """Run the command. Exit codes: 0 done, 1 failed or found something, 2 wrong usage."""
    if sys.argv[1:] == ["migrate"]:
        from .quick import is_at_head

        if is_at_head():
            print("The database is at the newest revision: nothing to do.", file=sys.stderr)
            return
    from .cli import run  # imports Alembic and SQLAlchemy

    run()


if __name__ == "__main__":
    main()
