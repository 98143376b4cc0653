"""In which language a request is answered."""

from django.conf import settings
from django.http import HttpRequest
from django.utils import translation

from accounts.models import User

IN_ENGLISH = (f"/{settings.ADMIN_PATH}", "/api/")


def choose(request: HttpRequest) -> str:
    """The viewer's own, or his browser's where nobody is logged in; remembered, so that it counts for `spoken`.

    Operations and scripts are spoken to in English: what they read is quoted in runbooks and compared by programs.
    """
    own = request.user.language if isinstance(request.user, User) else ""
    request.language = _english_apart(request) or own or _asked(request)  # type: ignore[attr-defined]
    return spoken(request)


def spoken(request: HttpRequest) -> str:
    """What was chosen, or would be for a visitor where nobody has looked yet who is there. Asks no database."""
    return str(getattr(request, "language", "")) or _english_apart(request) or _asked(request)


def _english_apart(request: HttpRequest) -> str:
    return settings.LANGUAGE_CODE if request.path_info.startswith(IN_ENGLISH) else ""


def _asked(request: HttpRequest) -> str:
    return translation.get_language_from_request(request)
