from typing import Any

from allauth.account.models import EmailAddress
from allauth.socialaccount.providers.github.provider import GitHubProvider

from accounts.logins.careful import CarefulProvider
from accounts.logins.github.views import GitHubLoginAdapter

KEPT = ("login", "name")


class GitHubLogin(CarefulProvider, GitHubProvider):  # type: ignore[misc]
    """The number is the identity: a login name may be given up and taken by somebody else."""

    oauth2_adapter_class = GitHubLoginAdapter

    def extract_uid(self, data: dict[str, Any]) -> str:
        if isinstance(data["id"], bool) or not isinstance(data["id"], int):
            raise ValueError("GitHub numbers its people")
        return str(data["id"])

    def extract_common_fields(self, data: dict[str, Any]) -> dict[str, Any]:
        """Not the public address of the profile: nobody has verified it."""
        return {"name": data.get("name") or data.get("login")}

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, str]:
        return {name: str(data[name])[:254] for name in KEPT if data.get(name)}

    def extract_email_addresses(self, data: dict[str, Any]) -> list[EmailAddress]:
        return [
            EmailAddress(email=entry["email"], primary=entry["primary"] is True, verified=entry["verified"] is True)
            for entry in data.get("emails") or []
        ]


provider_classes = [GitHubLogin]
