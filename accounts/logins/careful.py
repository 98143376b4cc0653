"""What both login providers have in common, and where we are stricter than allauth.

Nothing of the request's own query goes to the provider, every departure has PKCE, a state and a nonce of its own, and
an arrival without them gets nowhere.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.provider import OAuth2Provider
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.http import HttpRequest

LONGEST_CODE = 2_000
NONCE_BYTES = 24


class CarefulProvider(OAuth2Provider):  # type: ignore[misc]  # allauth has no types
    """allauth takes `auth_params` and `scope` from the address: a link could then overwrite the state."""

    pkce_enabled_default = True

    def get_auth_params_from_request(self, *_: Any) -> dict[str, str]:
        return dict(self.get_auth_params())

    def get_scope_from_request(self, _: HttpRequest) -> list[str]:
        return list(self.get_scope())

    def redirect(self, request: HttpRequest, process: str, **kwargs: Any) -> Any:
        """The nonce goes along with the state, and comes back in what the provider signs."""
        nonce = secrets.token_urlsafe(NONCE_BYTES)
        params = {**(kwargs.pop("auth_params", None) or self.get_auth_params()), **self.nonce_params(nonce)}
        return super().redirect(request, process, auth_params=params, nonce=nonce, **kwargs)

    def nonce_params(self, _: str) -> dict[str, str]:
        """For providers that sign who came: the parameter that the nonce is sent in."""
        return {}


class CarefulAdapter:
    """Goes before allauth's adapter of a provider. `state` is what was stashed for this very arrival."""

    state: dict[str, Any]

    def get_access_token_data(self, request: HttpRequest, app: Any, client: Any, **kwargs: Any) -> Any:
        if not kwargs.get("pkce_code_verifier"):
            raise OAuth2Error("this login did not begin with PKCE")
        if len(request.GET.get("code", "")) > LONGEST_CODE:
            raise OAuth2Error("no provider sends a code as long as this")
        with _expecting_their_shape():
            return super().get_access_token_data(request, app, client, **kwargs)  # type: ignore[misc]

    def parse_token(self, data: Any) -> Any:
        with _expecting_their_shape():
            return super().parse_token(data)  # type: ignore[misc]

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **kwargs: Any) -> Any:
        with _expecting_their_shape():
            return super().complete_login(request, app, token, **kwargs)  # type: ignore[misc]


class CarefulCallbackView(OAuth2CallbackView):  # type: ignore[misc]
    """Shows the adapter the state that belongs to this arrival; allauth tells it only afterwards."""

    def _get_state(self, request: HttpRequest, provider: Any) -> Any:
        state, response = super()._get_state(request, provider)
        self.adapter.state = state or {}
        return state, response


@contextmanager
def _expecting_their_shape() -> Iterator[None]:
    """An answer that looks unlike the provider's ends the login; allauth reads it as if it could not be wrong."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError):
        raise OAuth2Error("the provider's answer has an unexpected shape") from None
