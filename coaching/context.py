from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.models import User
from coaching.models import CoachingLink, Notification, Share


@dataclass(frozen=True, slots=True)
class _Frame:
    is_athlete: bool
    inbox_n: int
    unread_n: int


def navigation(request: HttpRequest) -> dict[str, Any]:
    """What the page frame shows of the viewer: one query, and none where a template uses nothing of it."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {}
    known: list[_Frame] = []

    def frame() -> _Frame:
        if not known:
            known.append(_read(user))
        return known[0]

    return {
        "is_athlete": SimpleLazyObject(lambda: frame().is_athlete),
        "inbox_count": SimpleLazyObject(lambda: frame().inbox_n),
        "unread_count": SimpleLazyObject(lambda: frame().unread_n),
    }


def _read(user: User) -> _Frame:
    links = CoachingLink.objects.active().filter(athlete=OuterRef("pk"))
    row = User.objects.filter(pk=user.pk).values_list(
        Exists(links),
        _counted(Share.objects.inbox(user), "link__athlete"),
        _counted(Notification.objects.unread(user), "recipient"),
    )
    return _Frame(*(row.first() or (False, 0, 0)))


def _counted(rows: QuerySet[Any], owner: str) -> Coalesce:
    return Coalesce(Subquery(rows.order_by().values(owner).annotate(n=Count("pk")).values("n")), 0)
