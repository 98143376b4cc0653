"""How my connected accounts stand."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router, Schema

from accounts.models import TokenScope
from accounts.rest.callers import Bearer, user_of
from accounts.rest.paging import Page, Paging, page
from integrations.models import Connection

router = Router()


class ConnectionOut(Schema):
    id: UUID
    provider: str
    account: str
    status: str
    status_reason: str
    status_changed_at: datetime | None
    last_ok_at: datetime | None
    receives_workouts: bool


@router.get(
    "/connections", auth=Bearer(TokenScope.CONNECTIONS_READ), tags=["Connections"], response=Page[ConnectionOut]
)
def connections(request: HttpRequest, paging: Query[Paging]) -> Any:
    """How my connected accounts stand. State only: what an account was opened with never leaves us."""
    return page(Connection.objects.for_user(user_of(request)).select_related("provider"), paging, _show)


def _show(connection: Connection) -> dict[str, Any]:
    return {
        "id": connection.public_id,
        "provider": connection.provider.slug,
        "account": connection.external_name,
        "status": connection.status,
        "status_reason": connection.status_reason,
        "status_changed_at": connection.status_changed_at,
        "last_ok_at": connection.last_ok_at,
        "receives_workouts": connection.receives_workouts,
    }
