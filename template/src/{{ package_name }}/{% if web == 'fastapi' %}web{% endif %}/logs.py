"""The log: JSON in production, text on a terminal, each entry with the id of its request."""

import logging
import logging.config
import re
import sys
from contextvars import ContextVar
from time import perf_counter
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from alembic_live import JsonFormatter
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..config import settings

PACKAGE = __name__.partition(".")[0]
TEXT = "%(asctime)s %(levelname)-5.5s [%(name)s] %(message)s (%(request_id)s)"
ID = re.compile(r"[\w.-]{1,64}", re.ASCII)  # another one could forge entries

log = logging.getLogger(__name__)

request_id: ContextVar[str] = ContextVar("request_id", default="")


class RequestLog:
    """Middleware that logs each request. It takes the id of X-Request-ID, or gives one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        name = given if ID.fullmatch(given) else uuid4().hex
        request_id.set(name)
        started, status = perf_counter(), 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = name
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            path = quote(scope["path"])
            is_probe = "/health/" in path and status < 400
            milliseconds = round((perf_counter() - started) * 1000, 1)
            log.log(
                logging.DEBUG if is_probe else logging.INFO,
                *("%s %s %s %s ms", scope["method"], path, status, milliseconds),
                extra={"status": status, "path": path, "milliseconds": milliseconds},
            )


class OfRequest(logging.Filter):
    """Adds the id of the request to each entry."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, and keep it."""
        if name := request_id.get():
            record.request_id = name
        vars(record).pop("color_message", None)  # of uvicorn, with escape sequences
        return True


def log_config() -> dict[str, Any]:
    """What `logging.config.dictConfig` takes. uvicorn uses it in each worker."""
    is_json = settings.WEB_LOG_FORMAT == "json"
    if settings.WEB_LOG_FORMAT == "auto":
        is_json = not sys.stderr.isatty()
    text = {
        "()": logging.Formatter,
        "fmt": TEXT,
        "datefmt": "%H:%M:%S",
        "defaults": {"request_id": "-"},
    }
    own = (PACKAGE, "alembic", "alembic_live.runtime", "uvicorn")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request": {"()": OfRequest}},
        "formatters": {"entry": {"()": JsonFormatter} if is_json else text},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "entry",
                "filters": ["request"],
            }
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {name: {"level": settings.WEB_LOG_LEVEL} for name in own},
    }


def configure_logging() -> None:
    """Use the log of the service in this process."""
    logging.config.dictConfig(log_config())
