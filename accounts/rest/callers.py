"""Who is asking: a login's access token, or a personal one with its scopes. Cookies count for nothing here."""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from allauth.headless.tokens.strategies.jwt.internal import validate_access_token
from allauth.mfa.models import Authenticator
from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest
from ninja.security.base import AuthBase

from accounts.middleware import FACTORS
from accounts.models import AccessToken, TokenScope, User
from accounts.rest.problems import Problem

MARK = "tcp_"  # personal tokens begin with it, so that a leaked one is recognised
LONGEST = 4096
STAMP_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Caller:
    """`scopes` None: a login, which may do everything that its person may."""

    user: User
    scopes: frozenset[str] | None = None
    token_id: int | None = None

    def may(self, scope: str) -> bool:
        return self.scopes is None or scope in self.scopes


def hashed(token: str) -> str:
    return sha256(token.encode(errors="replace")).hexdigest()


def identify(request: HttpRequest) -> Caller | None:
    """Reads the token once a request, whoever asks first."""
    if not hasattr(request, "api_caller"):
        request.api_caller = _identify(bearer_token(request))  # type: ignore[attr-defined]
    found: Caller | None = request.api_caller  # type: ignore[attr-defined]
    return found


def caller(request: HttpRequest) -> Caller:
    """Of a request that passed `Bearer`."""
    found: Caller = request.auth  # type: ignore[attr-defined]
    return found


def user_of(request: HttpRequest) -> User:
    return caller(request).user


def coach_of(request: HttpRequest) -> User:
    user = user_of(request)
    if not user.is_coach:
        raise Problem(403, "not_a_coach", "This is for coaches. If you coach, say so in your settings.")
    return user


class Bearer(AuthBase):
    """The door of a route; `scope` is what a personal token must hold to pass."""

    openapi_type, openapi_scheme = "http", "bearer"

    def __init__(self, scope: TokenScope) -> None:
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> Caller | None:
        found = identify(request)
        if found is None:
            raise Problem(401, headers={"WWW-Authenticate": "Bearer"})
        if _lacks_second_factor(found.user):
            raise Problem(403, "second_factor_required", "You work in operations: set up a second factor first.")
        if not found.may(self.scope):
            raise Problem(403, "scope", f"This token lacks the scope {self.scope.value}.")
        _stamp(found)
        return found


def bearer_token(request: HttpRequest) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and len(token) <= LONGEST else ""


def _identify(token: str) -> Caller | None:
    if not token:
        return None
    if token.startswith(MARK):
        return _by_personal_token(token)
    validated = validate_access_token(token)
    if validated is None or not isinstance(validated[0], User) or not validated[0].is_active:
        return None
    return Caller(validated[0])


def _by_personal_token(token: str) -> Caller | None:
    found = AccessToken.objects.usable().filter(token_hash=hashed(token)).select_related("user").first()
    return Caller(found.user, frozenset(found.scopes), found.pk) if found else None


def _lacks_second_factor(user: User) -> bool:
    return user.is_staff and not Authenticator.objects.filter(user=user, type__in=FACTORS).exists()


def _stamp(found: Caller) -> None:
    if found.token_id is not None:
        stale = Q(last_used_at=None) | Q(last_used_at__lt=Now() - STAMP_EVERY)
        AccessToken.objects.filter(stale, pk=found.token_id).update(last_used_at=Now())
