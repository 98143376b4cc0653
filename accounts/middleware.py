"""What every page asks of its visitor beyond being logged in."""

from collections.abc import Callable
from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.csp import CSP
from django.utils.translation import gettext
from django.views.decorators.csp import csp_override

from accounts.models import User

type GetResponse = Callable[[HttpRequest], HttpResponse]

DEMO_LOGIN = "demo_login"  # set by the demo's one-click login, which exists in demo mode only
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
OPEN_TO_STAFF = {
    "account_logout", "account_reauthenticate", "account_email", "account_set_password", "set_password",
    "log_in_again", "google_login", "google_callback", "github_login", "github_callback",
}  # fmt: skip
LEADING_AWAY = {
    "account_login", "account_signup", "socialaccount_connections", "log_in_again", "google_login", "github_login",
}  # fmt: skip


class SecondFactorMiddleware:
    """Staff without a second factor get as far as the page where it is set up, in the admin and everywhere else."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        user, match = request.user, request.resolver_match
        if not isinstance(user, User) or not user.is_staff or match is None:
            return None
        name = match.url_name or ""
        if name.startswith("mfa_") or name in OPEN_TO_STAFF or match.app_name == "demo":
            return None
        if settings.DEMO and request.session.get(DEMO_LOGIN):
            return None
        if Authenticator.objects.filter(user=user, type__in=FACTORS).exists():
            return None
        messages.warning(
            request, gettext("You work in operations, so your account needs a second factor. Set one up to go on.")
        )
        return HttpResponseRedirect(reverse("mfa_index"))


class LoginFormsMiddleware:
    """Browsers hold a form's redirects against the page's policy: pages with these buttons lead to the providers."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        match = request.resolver_match
        if match is None or match.url_name not in LEADING_AWAY:
            return response
        policy: dict[str, Any] = {**settings.SECURE_CSP, "form-action": [CSP.SELF, *settings.LOGIN_ORIGINS]}
        return csp_override(policy)(lambda _: response)(request)
