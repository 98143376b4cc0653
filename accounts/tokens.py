"""Logins of scripts and apps: short access tokens, refresh tokens that work once.

An old refresh token that comes again was copied, or its answer was lost: which of the two, nobody can tell, so that
login ends. allauth would only refuse it.
"""

from allauth.headless import app_settings
from allauth.headless.tokens.strategies.jwt import JWTTokenStrategy, internal
from allauth.usersessions.models import UserSession
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db import transaction

from accounts import audit
from accounts.models import AuditEntry, User


class TokenStrategy(JWTTokenStrategy):  # type: ignore[misc]  # allauth has no types
    @transaction.atomic
    def refresh_token(self, refresh_token: str) -> tuple[str, str] | None:
        """(access token, next refresh token). None for what is no refresh token of a login that stands."""
        payload = internal.decode_token(refresh_token, "refresh")
        session = _locked_session(payload) if payload else None
        if payload is None or session is None:
            return None
        if payload["jti"] in internal.get_refresh_token_state(session):
            renewed: tuple[str, str] | None = super().refresh_token(refresh_token)
            return renewed
        _end_for_reuse(session)
        return None


def refresh(refresh_token: str) -> tuple[str, str] | None:
    renewed: tuple[str, str] | None = app_settings.TOKEN_STRATEGY.refresh_token(refresh_token)
    return renewed


def end_login(access_token: str) -> None:
    """Its refresh token and every access token of the same login stop working. Safe to run twice."""
    payload = internal.decode_token(access_token, "access")
    session = internal.get_token_session(payload) if payload else None
    if session is not None:
        _end(session)


def _locked_session(payload: dict[str, str]) -> SessionBase | None:
    """The login's session; two refreshes with one token come one after the other."""
    key = internal.session_key_from_sid(payload["sid"])
    if not key or not Session.objects.select_for_update().filter(session_key=key).exists():
        return None
    session: SessionBase | None = internal.get_token_session(payload)
    return session


def _end_for_reuse(session: SessionBase) -> None:
    user = User.objects.filter(pk=session.get(SESSION_KEY, 0)).first()
    if user:
        failed, level = AuditEntry.Outcome.FAILURE, AuditEntry.Level.SECURITY
        audit.record("user.refresh_token_reused", user, outcome=failed, level=level)
    _end(session)


def _end(session: SessionBase) -> None:
    UserSession.objects.filter(session_key=session.session_key).delete()
    session.flush()
