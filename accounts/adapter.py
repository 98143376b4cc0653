"""Where sign-up and login differ from allauth's."""

from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language, gettext, override

from accounts import audit, confirming, newcomers
from accounts.addresses import client_address
from accounts.models import AuditEntry, Language, User

log = structlog.get_logger(__name__)

NOWHERE = "0.0.0.0"  # noqa: S104 - nothing listens there; the column of sessions takes addresses only


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    def is_safe_url(self, url: str) -> bool:
        """A page of ours, under the scheme that this site has: plain http is no way back to an https site."""
        if not url or url != url.strip():
            return False
        hosts = {self.request.get_host()}
        return url_has_allowed_host_and_scheme(url, allowed_hosts=hosts, require_https=self.request.is_secure())

    def clean_email(self, email: str) -> str:
        """Whoever signed up with this address and never proved it gives way to who comes now."""
        cleaned = str(super().clean_email(email))
        if self.request and not self.request.user.is_authenticated:
            newcomers.make_way(cleaned)
        return cleaned

    def new_user(self, _request: HttpRequest) -> User:
        """Who signs up on a German page is spoken to in German from the first mail on."""
        spoken = (get_language() or "").partition("-")[0]
        return User(language=spoken if spoken in Language.values else Language.ENGLISH)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """In the language of whose account it is; where there is none, in that of the page."""
        user = context.get("user") or User.objects.filter(email__iexact=email).first()
        with override(user.language if isinstance(user, User) else get_language()):
            super().send_mail(template_prefix, email, context)

    def send_account_already_exists_mail(self, email: str) -> None:
        """As much work as for a new address: the time that the answer takes tells nothing."""
        make_password(email)
        super().send_account_already_exists_mail(email)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """The address is not written down: people type their password into the wrong field."""
        if user := User.objects.filter(email__iexact=credentials.get("email", "")).first():
            audit.record("user.login_refused", user, outcome=AuditEntry.Outcome.FAILURE, reason="password")
        super().authentication_failed(request, **credentials)

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Not within five minutes of a login. allauth would let those through who have nothing to be asked for."""
        if confirming.is_fresh(self.request):
            return False
        if not super().get_reauthentication_methods(self.request.user):
            raise ReauthenticationRequired
        return bool(super().is_reauthentication_required(app=app, **kwargs))

    def get_reauthentication_methods(self, user: User | AnonymousUser) -> list[dict[str, Any]]:
        methods = super().get_reauthentication_methods(user)
        if methods or not user.is_authenticated:
            return list(methods)
        return [{"id": "again", "description": gettext("Log in again"), "url": reverse("accounts:log_in_again")}]

    def get_client_ip(self, request: HttpRequest) -> str:
        """allauth's own answers an error page to who comes past the proxies. Of whom nothing is known count as one."""
        return client_address(request) or NOWHERE

    def get_from_email(self) -> str:
        return str(settings.DEFAULT_FROM_EMAIL)
