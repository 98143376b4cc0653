"""OAuth 2 as its providers share it: the address a person is sent to, and the login for the code he comes back with.

Pure: no settings, no models. A provider's `login.py` is a `CodeLogin` with what is odd there.
"""

import base64
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any, ClassVar
from urllib.parse import urlencode

from integrations import errors
from integrations.spec import Gateway, Grant, OAuthClient, OAuthEndpoints, ProviderSpec

ACCESS, REFRESH = "access_token", "refresh_token"
INVALID_GRANT, MISSING_SCOPE = "invalid_grant", "missing_scope"
DEADLINE_S = 15.0  # shorter than the lease of a renewal
LONGEST_CODE, LONGEST_TOKEN = 2_048, 8_192
LONGEST_LIFE = timedelta(days=3650)

_VISIBLE = re.compile(r"[\x21-\x7e]+")
_BETWEEN_SCOPES = re.compile(r"[\s,]+")


def new_state() -> str:
    """256 bits."""
    return token_urlsafe(32)


def new_verifier() -> str:
    """RFC 7636: 43 to 128 letters of base64url."""
    return token_urlsafe(64)


def challenge(verifier: str) -> str:
    """The S256 challenge of a verifier."""
    return base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def authorize_url(
    endpoints: OAuthEndpoints,
    *,
    base_url: str,
    client_id: str,
    redirect_uri: str,
    scopes: Sequence[str],
    state: str,
    verifier: str,
) -> str:
    """Where a person says yes or no. `verifier` is empty where there is no PKCE."""
    proof = {"code_challenge": challenge(verifier), "code_challenge_method": "S256"} if verifier else {}
    wanted = {"scope": endpoints.separator.join(scopes)} if endpoints.asks_for_scopes else {}
    query = {
        **endpoints.parameters,
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        **wanted,
        "state": state,
        **proof,
    }
    return f"{base_url.rstrip('/')}{endpoints.authorize}?{urlencode(query)}"


def is_code(text: str) -> bool:
    return len(text) <= LONGEST_CODE and _VISIBLE.fullmatch(text) is not None


def scopes_of(text: str) -> tuple[str, ...]:
    """Providers part them with blanks, commas or both."""
    return tuple(word for word in _BETWEEN_SCOPES.split(text) if word)


def check_scopes(granted: Sequence[str], asked: Sequence[str], *, provider: str) -> None:
    """Raises AuthorizationError, code "missing_scope", when a person unticked what we cannot do without.

    A provider that does not tell what was granted has granted all (RFC 6749, 5.1).
    """
    if granted and not set(asked) <= set(granted):
        raise errors.AuthorizationError("a permission was left out", provider=provider, code=MISSING_SCOPE)


def read_grant(answer: Any, *, provider: str, refresh_token: str = "") -> Grant:
    """The grant of a token answer, or DataError: half a grant would work for an hour and then never again.

    `refresh_token` is the one in use, which a renewal may leave as it is.
    """
    fields = answer if isinstance(answer, dict) else {}
    scope = fields.get("scope") or ""
    if not isinstance(scope, str):
        raise _odd(provider)
    secrets = {ACCESS: _token(fields.get(ACCESS), provider)}
    secrets[REFRESH] = _token(fields.get(REFRESH) or refresh_token, provider)
    if str(fields.get("token_type") or "bearer").lower() != "bearer":
        raise _odd(provider)
    return Grant(secrets, _end(fields.get("expires_in"), provider), scopes_of(scope))


class CodeLogin:
    """Base of a provider's `login.Login`. Nothing here is tried twice: codes and refresh tokens are good once.

    `ENDED` are the provider's words for a code or refresh token it no longer takes, `NOT_US` those for a wrong client.
    """

    SPEC: ClassVar[ProviderSpec]
    ENDED: ClassVar[frozenset[str]] = frozenset({INVALID_GRANT})
    NOT_US: ClassVar[frozenset[str]] = frozenset({"invalid_client", "unauthorized_client"})

    def __init__(self, gateway: Gateway, client: OAuthClient) -> None:
        self.gateway, self.client = gateway, client

    def exchange(self, code: str, *, redirect_uri: str, verifier: str) -> Grant:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        proof = {"code_verifier": verifier} if verifier else {}
        return read_grant(self._ask_token(form | proof, operation="exchange"), provider=self.SPEC.slug)

    def renew(self, secrets: Mapping[str, str]) -> Grant:
        form = {"grant_type": "refresh_token", "refresh_token": secrets[REFRESH]}
        answer = self._ask_token(form, operation="renew")
        return read_grant(answer, provider=self.SPEC.slug, refresh_token=secrets[REFRESH])

    @property
    def _endpoints(self) -> OAuthEndpoints:
        assert self.SPEC.oauth is not None, "a CodeLogin belongs to a spec with oauth"
        return self.SPEC.oauth

    def _ask_token(self, form: Mapping[str, str], *, operation: str) -> Any:
        us = {"client_id": self.client.id, "client_secret": self.client.secret}
        return self._post(self._endpoints.token, {**us, **form}, operation=operation)

    def _post(self, path: str, form: Mapping[str, str], *, operation: str, **kwargs: Any) -> Any:
        try:
            return self.gateway.request(
                "POST",
                path,
                base="token",
                operation=operation,
                idempotent=False,
                deadline=time.monotonic() + DEADLINE_S,
                headers={"Accept": "application/json"},
                data=form,
                **kwargs,
            ).data
        except (errors.ValidationError, errors.AuthenticationError, errors.AuthorizationError) as exc:
            raise self._explained(exc) from None

    def _explained(self, refusal: errors.IntegrationError) -> errors.IntegrationError:
        """Whether the login is over or our own registration is wrong, which is no person's fault."""
        word, slug = refusal.context.get("provider_code", ""), self.SPEC.slug
        if word in self.ENDED:
            return errors.AuthenticationError(provider=slug, code=INVALID_GRANT, status=refusal.status)
        if word in self.NOT_US:
            return errors.ConfigurationError(provider=slug, code="oauth_client", status=refusal.status)
        return refusal


class RevocableCodeLogin(CodeLogin):
    """For providers that let us end a login as RFC 7009 says."""

    def revoke(self, secrets: Mapping[str, str]) -> None:
        """A token that is over already counts as revoked there."""
        us = (self.client.id, self.client.secret)
        self._post(self._endpoints.revoke, {"token": secrets[REFRESH]}, operation="revoke", auth=us)


def _token(value: Any, provider: str) -> str:
    if not (isinstance(value, str) and len(value) <= LONGEST_TOKEN and _VISIBLE.fullmatch(value)):
        raise _odd(provider)
    return value


def _end(seconds: Any, provider: str) -> datetime:
    """`expires_in` is a number of seconds above 0; a text or nothing at all is a provider that has changed."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise _odd(provider)
    if not 0 < seconds <= LONGEST_LIFE.total_seconds():
        raise _odd(provider)
    return datetime.now(UTC) + timedelta(seconds=seconds)


def _odd(provider: str) -> errors.DataError:
    return errors.DataError(f"{provider} gave tokens in an unknown shape", provider=provider, code="odd_tokens")
