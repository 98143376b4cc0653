"""What tells one object of a provider from another."""

from hashlib import sha256

from integrations.records import ProviderEvent


def object_key(event: ProviderEvent) -> str:
    """One short name, however long the provider's ids are."""
    return sha256("\0".join((event.resource, event.account_id, event.object_id)).encode()).hexdigest()
