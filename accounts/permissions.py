"""Who may do what, apart from what a row itself says."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from accounts.models import User


def signed_in(request: HttpRequest) -> User:
    """The request's user; views are closed to anybody else by LoginRequiredMiddleware, this says so to the reader."""
    if not request.user.is_authenticated:
        raise PermissionDenied
    return request.user
