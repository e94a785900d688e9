"""The HTTP interface: `create_app()` in `app`, and a module for each resource.

A handler takes one of these sessions. It ends before the response is sent: a client is only told of
success after the commit, and a slow client holds no connection of the pool.
"""

from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession

from ..database.session import get_read_session, get_session

Session = Annotated[AsyncSession, Depends(get_session, scope="function")]
ReadSession = Annotated[AsyncSession, Depends(get_read_session, scope="function")]
