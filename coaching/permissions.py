"""Doors that only coaches pass; what a person may see of a row stands in the querysets."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext

from accounts.permissions import signed_in


def coach_required[**P](
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Send who does not coach to the page where that can be chosen."""

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if signed_in(request).is_coach:
            return view(request, *args, **kwargs)
        messages.info(request, gettext("This is for coaches. If you coach, say so below."))
        return redirect("accounts:settings")

    return cast("Callable[Concatenate[HttpRequest, P], HttpResponse]", checked)
