"""The log: JSON in production, text on a terminal, each entry with the id of its request."""

import logging
import re
import sys
from contextvars import ContextVar
from typing import Any
from uuid import uuid4

from alembic_live import JsonFormatter
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..config import settings

TEXT = "%(asctime)s %(levelname)-5.5s [%(name)s] %(message)s (%(request_id)s)"
ID = re.compile(r"[\w.-]{1,64}", re.ASCII)  # another one could forge entries

request_id: ContextVar[str] = ContextVar("request_id", default="")


class RequestId:
    """Middleware: a request has the id of X-Request-ID, or a new one. Its response has that, too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request. The response to an error that nobody handles has the id, too."""
        given = Headers(scope=scope).get("x-request-id", "") if scope["type"] == "http" else ""
        request_id.set(given if ID.fullmatch(given) else uuid4().hex)
        is_started = False

        async def send_with_id(message: Message) -> None:
            nonlocal is_started
            if message["type"] == "http.response.start":
                is_started = True
                MutableHeaders(scope=message)["X-Request-ID"] = request_id.get()
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except Exception:
            if scope["type"] == "http" and not is_started:
                response = JSONResponse({"detail": "Internal server error"}, 500)
                await response(scope, receive, send_with_id)
            raise  # uvicorn logs the traceback


class OfRequest(logging.Filter):
    """Adds the id of the request to each entry, and leaves out successful probes."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log the entry."""
        vars(record).pop("color_message", None)  # of uvicorn, with escape sequences
        if name := request_id.get():
            record.request_id = name
        is_access = record.name == "uvicorn.access"
        return not (is_access and re.search(r'/health/\S+ HTTP/[\d.]+" 2', record.getMessage()))


def log_config() -> dict[str, Any]:
    """What `logging.config.dictConfig` takes. uvicorn uses it in each worker."""
    text = {"()": logging.Formatter, "fmt": TEXT, "defaults": {"request_id": "-"}}
    handler = {"class": "logging.StreamHandler", "formatter": "entry", "filters": ["request"]}
    own = (__name__.partition(".")[0], "alembic", "alembic_live.runtime", "uvicorn")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request": {"()": OfRequest}},
        "formatters": {"entry": text if sys.stderr.isatty() else {"()": JsonFormatter}},
        "handlers": {"stderr": handler},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {name: {"level": settings.WEB_LOG_LEVEL} for name in own},
    }
