"""A pause of the cyclic garbage collector while Alembic compares."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Disable the collector during the block, which is the last work of the process. A comparison
    creates millions of objects and little garbage: with 1,000 tables the collector takes almost half
    of the time. Objects that are alive at the end are exempt from later collections.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
