"""What an orchestrator asks. A failed /live restarts the process; a failed /ready sends it no requests."""

from alembic_live import Readiness
from fastapi import APIRouter, Response
from pydantic import BaseModel

from ..database import project
from ..database.engine import get_engine

router = APIRouter(prefix="/health", tags=["health"])
# Older revisions that this code works on, too: accepts=["5f0e1c2d3a4b"].
readiness = Readiness(project, get_engine)


class Health(BaseModel):
    """Whether the service works. If not, `reason` says why."""

    status: str = "ok"
    reason: str | None = None


@router.get("/live")
async def live() -> Health:
    """The process answers. The database does not matter: a restart would not repair it."""
    return Health()


@router.get("/ready", responses={503: {"model": Health}})
async def ready(response: Response) -> Health:
    """The database answers in time, and its revision fits the code."""
    if reason := await readiness.problem():
        response.status_code = 503
        return Health(status="unavailable", reason=reason)
    return Health()
