"""Prints the figures. See README.md beside this file."""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from dotenv import dotenv_values

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))

from contestants import rendered
from figures import FIGURES, Bench
from server import Database


def main() -> None:
    """Measure what was asked for on a server of this run's own."""
    parser = argparse.ArgumentParser(prog="uv run python benchmarks", description=__doc__)
    parser.add_argument("figures", nargs="*", choices=[[], *FIGURES], help="default: all")
    parser.add_argument("--rounds", type=int, default=15, help="runs of each side (default: 15)")
    arguments = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody deploys without .pyc
    with tempfile.TemporaryDirectory(prefix="copier-alembic-") as folder:
        service = rendered(Path(folder) / "service")
        try:
            service.db("start")
            server = Database.of(dotenv_values(service.path / ".env"))
            bench = Bench(Path(folder), service, server, arguments.rounds)
            for name in arguments.figures or FIGURES:
                for line in FIGURES[name](bench):
                    print(line, flush=True)
        finally:
            service.db("stop")
            shutil.rmtree((service.path / ".postgres").resolve(), ignore_errors=True)


main()
