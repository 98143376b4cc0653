"""Logging in, and who I am."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.headless import app_settings
from allauth.headless.account.views import LoginView
from allauth.headless.constants import Client
from allauth.headless.mfa.views import AuthenticateView
from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status
from pydantic import Field

from accounts import tokens
from accounts.models import TokenScope, User
from accounts.rest.callers import Bearer, bearer_token, user_of
from accounts.rest.problems import Problem

router = Router()
_log_in = LoginView.as_api_view(client=Client.APP)
_second_factor = AuthenticateView.as_api_view(client=Client.APP)


class Login(Schema):
    email: str = Field(max_length=254)
    password: str = Field(max_length=4096)


class SecondFactor(Schema):
    code: str = Field(max_length=32, description="Of your authenticator app, or a recovery code.")


class Refresh(Schema):
    refresh_token: str = Field(max_length=4096)


class Tokens(Schema):
    access_token: str
    refresh_token: str
    token_type: str = "Bearer"
    expires_in: int = Field(description="Seconds until the access token ends.")


class Profile(Schema):
    id: UUID
    email: str
    name: str
    time_zone: str
    units: str
    language: str
    is_coach: bool
    coaching_since: datetime | None


@router.post("/auth/login", auth=None, tags=["Logging in"], response=Tokens)
def log_in(request: HttpRequest, login: Login) -> Any:
    """Get tokens for an email and a password.

    Who has a second factor gets 401 with `code` `second_factor_required` and a `session_token`: send it in the header
    `X-Session-Token` to `/auth/second-factor`.
    """
    return _tokens_from(_asked(_log_in, request))


@router.post("/auth/second-factor", auth=None, tags=["Logging in"], response=Tokens)
def second_factor(request: HttpRequest, factor: SecondFactor) -> Any:
    """The second step of a login."""
    return _tokens_from(_asked(_second_factor, request))


@router.post("/auth/refresh", auth=None, tags=["Logging in"], response=Tokens)
def refresh(request: HttpRequest, old: Refresh) -> Any:
    """New tokens for a refresh token, which works once: one that is sent again ends the login it belongs to."""
    renewed = tokens.refresh(old.refresh_token)
    if renewed is None:
        raise Problem(401, "refresh_token", "This refresh token is used up, old or none of ours. Log in again.")
    return _pair(*renewed)


@router.delete("/auth/login", auth=Bearer(TokenScope.PROFILE_READ), tags=["Logging in"], response={204: None})
def log_out(request: HttpRequest) -> Any:
    """End this login: its access and refresh tokens stop working. A personal token is revoked on its page instead."""
    tokens.end_login(bearer_token(request))
    return Status(204, None)


@router.get("/me", auth=Bearer(TokenScope.PROFILE_READ), tags=["Me"], response=Profile)
def me(request: HttpRequest) -> Any:
    """Who I am here."""
    return show_profile(user_of(request))


def show_profile(user: User) -> dict[str, Any]:
    shown = {name: getattr(user, name) for name in ("email", "time_zone", "units", "language", "is_coach")}
    return {"id": user.public_id, "name": user.display_name, "coaching_since": user.coaching_since, **shown}


def _asked(view: Any, request: HttpRequest) -> dict[str, Any]:
    """What allauth says to it, with its limits and its audit."""
    try:
        response: HttpResponse = view(request)
    except ImmediateHttpResponse as exc:
        response = exc.response
    said = json.loads(response.content or b"{}") if response["Content-Type"] == "application/json" else {}
    return {"status": response.status_code, **said}


def _tokens_from(said: dict[str, Any]) -> dict[str, Any]:
    meta = said.get("meta", {})
    if said["status"] == 200 and "access_token" in meta:
        return _pair(meta["access_token"], meta["refresh_token"])
    raise _refusal(said, meta)


def _refusal(said: dict[str, Any], meta: dict[str, Any]) -> Problem:
    codes = {error.get("code") for error in said.get("errors", ())}
    pending = {flow["id"] for flow in said.get("data", {}).get("flows", ()) if flow.get("is_pending")}
    if said["status"] == 429 or "too_many_login_attempts" in codes:
        return Problem(429, headers={"Retry-After": "60"})
    if "mfa_authenticate" in pending:
        words = "Send a code of your second factor to /auth/second-factor, with this session token."
        return Problem(401, "second_factor_required", words, session_token=meta.get("session_token"))
    if pending:
        return Problem(401, "log_in_on_the_site", "There is a step to take first. Log in on the site once.")
    if "incorrect_code" in codes:
        return Problem(401, "wrong_code", "That code was not accepted.")
    return Problem(401, "wrong_credentials", "The email, the password or the session token was not accepted.")


def _pair(access_token: str, refresh_token: str) -> dict[str, Any]:
    return {
        "access_token": access_token,
        "refresh_token": refresh_token,
        "expires_in": app_settings.JWT_ACCESS_TOKEN_EXPIRES_IN,
    }
