from typing import Any

from allauth.account.models import EmailAddress
from allauth.socialaccount.providers.google.provider import GoogleProvider

from accounts.logins.careful import CarefulProvider
from accounts.logins.google.views import GoogleLoginAdapter

KEPT = ("email", "name")


class GoogleLogin(CarefulProvider, GoogleProvider):  # type: ignore[misc]
    """Google, by the code flow alone: a token that was made elsewhere logs nobody in."""

    oauth2_adapter_class = GoogleLoginAdapter
    supports_token_authentication = False

    def nonce_params(self, nonce: str) -> dict[str, str]:
        return {"nonce": nonce}

    def extract_common_fields(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"name": data.get("name")}

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, str]:
        return {name: str(data[name])[:254] for name in KEPT if data.get(name)}

    def extract_email_addresses(self, data: dict[str, Any]) -> list[EmailAddress]:
        """Verified is what says `true`, not what is not empty."""
        email = data.get("email")
        if not isinstance(email, str):
            return []
        return [EmailAddress(email=email, verified=data.get("email_verified") is True, primary=True)]


provider_classes = [GoogleLogin]
