"""Strava's OAuth: the code's exchange, the renewal whose refresh token may change, and the end of a login."""

from typing import ClassVar

from integrations.oauth import CodeLogin
from integrations.providers.strava.provider import SPEC
from integrations.spec import ProviderSpec


class Login(CodeLogin):
    """Standard but for the words of its refusals. Revoking one token of an athlete ends all that he gave us."""

    SPEC: ClassVar[ProviderSpec] = SPEC
    ENDED = CodeLogin.ENDED | {"RefreshToken.invalid", "AuthorizationCode.invalid", "AuthorizationCode.expired"}
    NOT_US = CodeLogin.NOT_US | {"Application.invalid", "Application.inactive"}
