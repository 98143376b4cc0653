from typing import Any

from allauth.socialaccount import app_settings
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.google.views import GoogleOAuth2Adapter
from allauth.socialaccount.providers.oauth2.views import OAuth2LoginView

from accounts.logins.careful import CarefulAdapter, CarefulCallbackView
from accounts.logins.google import id_tokens

KEYS = "https://www.googleapis.com/oauth2/v3/certs"


class GoogleLoginAdapter(CarefulAdapter, GoogleOAuth2Adapter):  # type: ignore[misc]
    keys_url = app_settings.PROVIDERS.get("google", {}).get("CERTS_URL", KEYS)

    def _decode_id_token(self, app: Any, id_token: str) -> dict[str, Any]:
        with get_adapter().get_requests_session() as session:
            response = session.get(self.keys_url)
            response.raise_for_status()
            keys = response.json()
        nonce = str(self.state.get("nonce") or "")
        return id_tokens.verify(id_token, keys=keys, audience=app.client_id, issuer=self.id_token_issuer, nonce=nonce)

    def _fetch_user_info(self, _: str) -> dict[str, Any]:
        """Without an id token nobody has signed who came."""
        return id_tokens.verify(None, keys={}, audience="", issuer="", nonce="")


oauth2_login = OAuth2LoginView.adapter_view(GoogleLoginAdapter)
oauth2_callback = CarefulCallbackView.adapter_view(GoogleLoginAdapter)
