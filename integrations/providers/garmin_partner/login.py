"""OAuth 2 with PKCE at Garmin: the exchange, what the person ticked, the renewal, and the end of a registration."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar, override

from integrations import errors
from integrations.oauth import MISSING_SCOPE, CodeLogin
from integrations.providers.garmin_partner.adapter import Adapter
from integrations.providers.garmin_partner.provider import SPEC
from integrations.spec import Grant, ProviderSpec


class Login(CodeLogin):
    """The token answer's `scope` names Garmin's own services; what the person ticked is asked for by itself."""

    SPEC: ClassVar[ProviderSpec] = SPEC

    @override
    def exchange(self, code: str, *, redirect_uri: str, verifier: str) -> Grant:
        grant = super().exchange(code, redirect_uri=redirect_uri, verifier=verifier)
        ticked = Adapter(self.gateway, grant.secrets, "").permissions()
        if not ticked:  # an empty list would read as "not told"
            raise errors.AuthorizationError("no permission was given", provider=SPEC.slug, code=MISSING_SCOPE)
        return replace(grant, scopes=ticked)

    @override
    def renew(self, secrets: Mapping[str, str]) -> Grant:
        """What the person ticked does not change by it."""
        return replace(super().renew(secrets), scopes=())

    def revoke(self, secrets: Mapping[str, str]) -> None:
        """Deregister the person, as Garmin wants of everybody who offers to disconnect: all that he gave us ends.

        Who is no longer registered counts as revoked.
        """
        try:
            self._deregister(secrets)
        except errors.AuthenticationError:  # the access token may just have run out
            with suppress(errors.AuthenticationError):
                self._deregister(self.renew(secrets).secrets)

    def _deregister(self, secrets: Mapping[str, str]) -> None:
        Adapter(self.gateway, secrets, "").deregister()
