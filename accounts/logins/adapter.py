"""Logging in with Google and GitHub. Who somebody is there is (provider, subject); an address never links accounts."""

from typing import Any

import structlog
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.base import AuthError, AuthProcess
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from accounts import audit, newcomers
from accounts.models import AuditEntry, LoginApplication, User
from integrations.encryption import KeyRingInvalid, VaultError

log = structlog.get_logger(__name__)

LONGEST_NAME = User._meta.get_field("display_name").max_length or 0


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth has no types
    def list_apps(self, _: HttpRequest, provider: str | None = None, client_id: str | None = None) -> list[Any]:
        """One for each provider at most. allauth's own table is not read: with the environment it would make two."""
        rows = {row.provider: row for row in LoginApplication.objects.all()}
        names = [provider] if provider else list(LoginApplication.Provider.values)
        found = [_app(name, rows.get(name)) for name in names]
        return [app for app in found if app and (not client_id or app.client_id == client_id)]

    def get_app(self, request: HttpRequest, provider: str, client_id: str | None = None) -> Any:
        """A provider that is not set up has no pages."""
        if not (found := self.list_apps(request, provider=provider, client_id=client_id)):
            raise Http404
        return found[0]

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Who is new comes with an address that the provider vouches for, and that nobody here has. Else: words."""
        if sociallogin.is_existing or sociallogin.state.get("process") == AuthProcess.CONNECT:
            return
        address = next((entry for entry in sociallogin.email_addresses if entry.verified), None)
        if address is None:
            raise ImmediateHttpResponse(_refuse(request, sociallogin, "unverified"))
        newcomers.make_way(address.email)
        if _is_taken(address.email):
            raise ImmediateHttpResponse(_refuse(request, sociallogin, "taken"))
        address.primary = True
        sociallogin.email_addresses = [address]
        sociallogin.user.email = address.email.lower()

    def populate_user(self, _: HttpRequest, sociallogin: Any, data: dict[str, Any]) -> User:
        """A name is taken as a suggestion; the address comes from the list that says what is verified."""
        user: User = sociallogin.user
        name = data.get("name")
        user.display_name = "".join(c for c in name if c.isprintable())[:LONGEST_NAME] if isinstance(name, str) else ""
        return user

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, error: Any = AuthError.UNKNOWN, exception: Any = None, **_: Any
    ) -> None:
        """Our page in place of allauth's: what the provider said stays out of it."""
        reason = "cancelled" if error == AuthError.CANCELLED else "failed"
        log.info("login_with_provider", provider=provider.id, outcome=reason, kind=type(exception).__name__)
        page = render(request, "socialaccount/authentication_error.html", {"provider": provider, "reason": reason})
        page.status_code = 200 if reason == "cancelled" else 400
        raise ImmediateHttpResponse(page)


def _app(name: str, row: LoginApplication | None) -> SocialApp | None:
    """None where a provider is not set up; a secret that does not open is as good as none."""
    if row and row.mode == LoginApplication.Mode.OFF:
        return None
    if row is None or row.mode == LoginApplication.Mode.ENVIRONMENT:
        return _from_environment(name)
    try:
        return SocialApp(provider=name, client_id=row.client_id, secret=row.open_secret())
    except (VaultError, KeyRingInvalid) as exc:
        log.error("login_secret_not_opened", provider=name, kind=type(exc).__name__)
        return None


def _from_environment(name: str) -> SocialApp | None:
    known = settings.LOGIN_APPLICATIONS.get(name)
    return SocialApp(provider=name, client_id=known.client_id, secret=known.secret.reveal()) if known else None


def _is_taken(email: str) -> bool:
    return (
        User.objects.filter(email__iexact=email).exists()
        or EmailAddress.objects.filter(email__iexact=email, verified=True).exists()
    )


def _refuse(request: HttpRequest, sociallogin: Any, reason: str) -> HttpResponse:
    provider = sociallogin.provider
    audit.record_about(
        "user.login_refused", "socialaccount.socialaccount", provider.id, outcome=AuditEntry.Outcome.HALTED,
        level=AuditEntry.Level.SECURITY, provider=provider.id, reason=reason,
    )  # fmt: skip
    context = {"provider": provider, "reason": reason}
    return render(request, "socialaccount/authentication_error.html", context, status=403)
