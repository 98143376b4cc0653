"""Which account an athlete's copies go to, and what stands in the way."""

from collections.abc import Iterable
from typing import NamedTuple

from django.utils.translation import gettext_noop

from integrations import control
from integrations.models import Connection
from integrations.spec import Capability
from integrations.wording import pattern

PROVIDER_PAUSED = "provider_paused"
WANTS_LOGIN = pattern(gettext_noop("{p} asks for a new login."))
IS_PAUSED = pattern(gettext_noop("The connection to {p} is paused."))


class Obstacle(NamedTuple):
    """Why nothing can be sent to an account at the moment; it goes away by what people do.

    `words` are in English, as rows keep them; pages say them by `wording.told`.
    """

    code: str
    words: str


NOT_CONNECTED = Obstacle("not_connected", gettext_noop("No account that takes workouts is connected yet."))


def targets(athlete_ids: Iterable[int]) -> dict[int, Connection]:
    """Each athlete's account for deliveries: the one marked for it, else the first that takes workouts."""
    known = Connection.objects.live().exclude(status=Connection.Status.PENDING)
    found: dict[int, Connection] = {}
    for connection in known.filter(user_id__in=set(athlete_ids)).select_related("provider").order_by("-delivers", "pk"):
        if connection.can(Capability.WORKOUTS_WRITE):
            found.setdefault(connection.user_id, connection)
    return found


def obstacle(connection: Connection | None) -> Obstacle | None:
    """What keeps us from calling, without a call; None when nothing does."""
    if connection is None or connection.status in (Connection.Status.PENDING, Connection.Status.DISCONNECTED):
        return NOT_CONNECTED
    provider = connection.provider
    if connection.status == Connection.Status.NEEDS_REAUTH:
        return Obstacle("needs_login", WANTS_LOGIN.format(p=provider))
    if connection.status == Connection.Status.PAUSED:
        return Obstacle("connection_paused", IS_PAUSED.format(p=provider))
    if refused := control.refusal(provider, "deliver", connection.user_id):
        code = refused.code if refused.code == control.NOT_YET else PROVIDER_PAUSED
        return Obstacle(code, refused.message)
    return None
