"""Strava's OAuth: the code's exchange, the renewal whose refresh token may change, and the end of a login."""

from typing import ClassVar

from integrations.oauth import RevocableCodeLogin
from integrations.providers.strava.provider import SPEC
from integrations.spec import ProviderSpec


class Login(RevocableCodeLogin):
    """Standard but for the words of its refusals. Revoking one token of an athlete ends all that he gave us."""

    SPEC: ClassVar[ProviderSpec] = SPEC
    ENDED = RevocableCodeLogin.ENDED | {"RefreshToken.invalid", "AuthorizationCode.invalid"}
    NOT_US = RevocableCodeLogin.NOT_US | {"Application.invalid", "Application.inactive"}
