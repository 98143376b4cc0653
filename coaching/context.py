from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.models import User
from coaching.models import CoachingLink, Notification, Share


def navigation(request: HttpRequest) -> dict[str, Any]:
    """What the page frame shows of the viewer; asked of the database only where a template uses it."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {}
    return {
        "is_athlete": SimpleLazyObject(lambda: CoachingLink.objects.active().filter(athlete=user).exists()),
        "inbox_count": SimpleLazyObject(lambda: Share.objects.inbox(user).count()),
        "unread_count": SimpleLazyObject(lambda: Notification.objects.unread(user).count()),
    }
