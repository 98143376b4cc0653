"""That it is really you: a login or a confirmation of a few minutes ago stands before everything that opens a door.

allauth asks nobody who has neither password nor second factor; here those log in once more where they came from.
"""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect

FRESH_S = 5 * 60
FILLING_IN_S = 10 * 60  # for a form that was opened in time
STAMP = "confirmed_at"

type View = Callable[..., HttpResponseBase]


def stamp(request: HttpRequest) -> None:
    """Somebody has just shown who he is in this login session."""
    request.session[STAMP] = time.time()


def is_fresh(request: HttpRequest, *, within_s: float = FRESH_S) -> bool:
    at = request.session.get(STAMP)
    return request.user.is_authenticated and isinstance(at, float) and 0 <= time.time() - at < within_s


def freshly_confirmed(view: View) -> View:
    """Send who was not asked for a while to show it again; what he posted is not kept, as it may be a secret."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        within_s = FRESH_S if request.method == "GET" else FRESH_S + FILLING_IN_S
        if not request.user.is_authenticated or is_fresh(request, within_s=within_s):
            return view(request, *args, **kwargs)
        return HttpResponseRedirect(confirm_url(request, back_to=request.get_full_path()))

    return guarded


def confirm_url(request: HttpRequest, *, back_to: str) -> str:
    methods = get_adapter().get_reauthentication_methods(request.user)
    return f"{methods[0]['url']}?{urlencode({REDIRECT_FIELD_NAME: back_to})}"
