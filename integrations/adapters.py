"""What every provider's adapter does alike: calls for one account, and answers that have the shape they should."""

from collections.abc import Mapping
from typing import Any, ClassVar

from integrations import errors
from integrations.spec import Gateway, Raw


class AccountAdapter:
    """Calls for one account. `scope` paces them, `headers` hold the access token. What has no such shape: DataError."""

    provider: ClassVar[str]

    def __init__(self, gateway: Gateway, headers: Mapping[str, str], scope: str | None) -> None:
        self.gateway = gateway
        self.headers = dict(headers)
        self.scope = scope

    def ask(self, method: str, path: str, *, operation: str, **kwargs: Any) -> Any:
        """Whatever comes back; a provider with refusals of its own gives them their meaning here."""
        return self.gateway.request(
            method, path, operation=operation, scope=self.scope, headers=self.headers, **kwargs
        ).data

    def ask_object(self, method: str, path: str, *, operation: str, **kwargs: Any) -> Raw:
        data = self.ask(method, path, operation=operation, **kwargs)
        if not isinstance(data, dict):
            raise bad_answer(self.provider, operation)
        return data

    def ask_list(self, path: str, *, operation: str, **kwargs: Any) -> list[Raw]:
        data = self.ask("GET", path, operation=operation, **kwargs)
        if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
            raise bad_answer(self.provider, operation)
        return data

    def number(self, external_id: str) -> str:
        """Ids go into paths, so nothing but digits does."""
        if not (external_id.isascii() and external_id.isdigit()):
            raise errors.ValidationError(f"{self.provider}'s ids are numbers", provider=self.provider)
        return external_id


def bearer(token: str) -> dict[str, str]:
    return {"Accept": "application/json", "Authorization": f"Bearer {token}"}


def bad_answer(provider: str, operation: str) -> errors.DataError:
    return errors.DataError(
        f"{provider} answered {operation} in an unknown shape", provider=provider, code="provider_bad_answer"
    )
