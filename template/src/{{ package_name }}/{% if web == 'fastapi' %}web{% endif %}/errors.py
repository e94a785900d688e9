"""The responses to errors that no handler catches."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from .logs import request_id

# Classes of SQLSTATE: no connection, no resources, the server stops or starts.
UNAVAILABLE = ("08", "53", "57")

log = logging.getLogger(__name__)


async def conflict(_: Request, error: IntegrityError) -> JSONResponse:
    """409: a constraint refuses the change, which is rolled back."""
    # asyncpg's error is the cause; psycopg has the fields in `diag`.
    places = (getattr(error.orig, "__cause__", None), getattr(error.orig, "diag", None))
    names = [name for place in places if (name := getattr(place, "constraint_name", None))]
    return JSONResponse({"detail": " ".join(["violates", *(names or ["a constraint"])])}, 409)


async def unavailable(_: Request, error: Exception) -> JSONResponse:
    """503: the database does not answer, or DB_POOL_TIMEOUT is over. The client may try again."""
    if isinstance(error, DBAPIError) and not error.connection_invalidated:
        state = str(getattr(error.orig, "sqlstate", ""))
        if not state.startswith(UNAVAILABLE):
            raise error
    reason = getattr(error, "orig", error)
    log.warning("The database is not available: %s: %s", type(reason).__name__, reason)
    detail = "The database is not available. Try again later."
    return JSONResponse({"detail": detail}, 503, {"Retry-After": "1"})


async def failure(_: Request, __: Exception) -> JSONResponse:
    """500: the log has the traceback, with the same id."""
    headers = {"X-Request-ID": request_id.get()}
    return JSONResponse({"detail": "Internal server error"}, 500, headers)


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Any]]] = {
    IntegrityError: conflict,
    DBAPIError: unavailable,
    PoolTimeoutError: unavailable,
    ConnectionError: unavailable,
    Exception: failure,
}
